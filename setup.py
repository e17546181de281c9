"""Packaging is declared in setup.cfg and carried out by pbr."""

import setuptools

setuptools.setup(setup_requires=["pbr>=6.1.1"], pbr=True)
