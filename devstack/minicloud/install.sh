#!/usr/bin/env bash
# Installs what the minicloud and the tests need, and nothing that is there already.
#
#   install.sh venv      the Python virtual environment
#   install.sh system    Debian packages of bindep.txt (as root)
#   install.sh all       both, at the same time
#
# The last line of standard output is the virtual environment's path; progress goes to standard error.
#
# Environment:
#   MINICLOUD_HOME   where the virtual environment lives, as `venv` (default: /var/cache/ceilo-gossip)
#   MINICLOUD_VENV   use this virtual environment as it is; only the project itself is installed into it
#   PYTHON           the interpreter to build it with: 3.11 or later
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
home=${MINICLOUD_HOME:-/var/cache/ceilo-gossip}
venv=${MINICLOUD_VENV:-$home/venv}
constraints=$here/constraints.txt
part=${1:-all}
log=$home/install.log

say() {
    printf '[%4d s] %s\n' "$SECONDS" "$*" >&2
}

die() {
    printf 'install.sh: %s\n' "$*" >&2
    [ ! -s "$log" ] || printf 'The whole log is %s. Its end:\n%s\n' "$log" "$(tail -n 15 "$log")" >&2
    exit 1
}

# ---------------------------------------------------------------- Debian packages

missing_packages() {
    local package
    sed -n 's/^\([a-z0-9.+-]*\) \[platform:dpkg.*/\1/p' "$project/bindep.txt" | while read -r package; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

# Packages that bring a server would start it. A policy that forbids it is put in place meanwhile, and what was there
# before is put back, whatever happens.
policy=/usr/sbin/policy-rc.d
forbid_starts() {
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        mv "$policy" "$policy.before-minicloud"
    fi
    trap allow_starts EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

allow_starts() {
    rm -f "$policy"
    if [ -e "$policy.before-minicloud" ] || [ -L "$policy.before-minicloud" ]; then
        mv "$policy.before-minicloud" "$policy"
    fi
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1
}

install_system() {
    command -v dpkg-query >/dev/null || die "this is no Debian system; install what bindep.txt names by hand"
    local -a missing
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "only root can install: ${missing[*]}"
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    (
        forbid_starts
        # An old list of packages may name files that the mirror no longer has.
        apt_install "${missing[@]}" || { apt-get update -q >>"$log" 2>&1 && apt_install "${missing[@]}"; }
    ) || die "apt-get failed"
    say "Debian packages installed"
}

# ---------------------------------------------------------------- virtual environment

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "no Python 3.11 or later was found; name one in PYTHON"
}

# What the environment is made of; another value means that it is made anew.
venv_key() {
    { "$python" -c 'import sys; print(sys.version, sys.base_prefix)'; cat "$constraints"; } | sha256sum | cut -c 1-32
}

pip_install() {
    # Every version is fixed, so pip has nothing to resolve. Services compile what they import when they import it.
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-deps --no-compile \
        "$@" >>"$log" 2>&1
}

count_installed() {
    # pip itself comes with the environment and is none of ours.
    find "$venv"/lib/python3*/site-packages -maxdepth 1 -name '*.dist-info' ! -name 'pip-*' 2>/dev/null | wc -l
}

build_venv() {
    rm -rf "$venv"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        wait_for_system
    fi
    "$python" -m venv "$venv" >>"$log" 2>&1 || die "$python cannot make a virtual environment"
    local total
    total=$(grep -c == "$constraints")
    say "installing $total Python packages"
    # pip unpacks on one core, so two of them share the work. uWSGI is compiled and needs what apt brings; with it go
    # the few packages that are not published as wheels.
    local scratch half pids=() pid
    scratch=$(mktemp -d)
    grep -i -E '^(setuptools|wheel|pbr)==' "$constraints" >"$scratch/builders"
    grep -i -E "^($SOURCES)==" "$constraints" >"$scratch/sources"
    grep == "$constraints" | grep -v -i -E "^($SOURCES|setuptools|wheel|pbr)==" >"$scratch/wheels"
    half=$(($(wc -l <"$scratch/wheels") / 2))
    head -n "$half" "$scratch/wheels" >"$scratch/first"
    tail -n +$((half + 1)) "$scratch/wheels" >"$scratch/second"
    pip_install -r "$scratch/builders" || die "pip could not install setuptools"
    pip_install -r "$scratch/first" &
    pids+=($!)
    pip_install -r "$scratch/second" &
    pids+=($!)
    # A wheel that pip kept from an earlier build may be for another Python of the same version: uWSGI embeds it.
    { wait_for_system && pip_install --no-cache-dir --no-build-isolation -r "$scratch/sources"; } &
    pids+=($!)
    while [ -n "$(jobs -pr)" ]; do
        sleep 3
        say "$(count_installed) of $total"
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || die "pip failed"
    done
    rm -rf "$scratch"
    echo "$key" >"$venv/.minicloud-key"
    say "Python packages installed"
}

# Published without wheels for our Python; pip builds them.
readonly SOURCES='uwsgi|simplegeneric|jsonpath-rw|ovs'

# `all` installs both parts at once; what needs a compiler waits here for the Debian packages.
wait_for_system() {
    [ "$part" = all ] || return 0
    until [ -e "$system_done" ]; do
        [ ! -e "$system_failed" ] || return 1
        sleep 0.3
    done
}

project_key() {
    { echo "$project"; cat "$project"/{setup.cfg,setup.py,pyproject.toml}; } | sha256sum | cut -c 1-32
}

# The services find our plugins, and the daemons their commands, through the project's metadata. The code itself is
# used from the clone.
install_project() {
    local wanted
    wanted=$(project_key)
    [ "$(cat "$venv/.minicloud-project" 2>/dev/null)" != "$wanted" ] || return 0
    local -a version=()
    git -C "$project" rev-parse HEAD >/dev/null 2>&1 || version=(PBR_VERSION=0.0.0)
    env SKIP_GENERATE_AUTHORS=1 SKIP_WRITE_GIT_CHANGELOG=1 "${version[@]}" \
        "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-deps \
        --no-build-isolation --editable "$project" >>"$log" 2>&1 || die "pip could not install the project"
    echo "$wanted" >"$venv/.minicloud-project"
    say "project made known to the virtual environment"
}

install_venv() {
    if [ -z "${MINICLOUD_VENV:-}" ]; then
        key=$(venv_key)
        [ "$(cat "$venv/.minicloud-key" 2>/dev/null)" = "$key" ] || build_venv
    fi
    install_project
}

# ---------------------------------------------------------------- both

mkdir -p "$home"
exec 9>"$home/install.lock"
flock 9
: >"$log"

case $part in
    system)
        install_system
        ;;
    venv)
        python=$(find_python)
        install_venv
        ;;
    all)
        system_done=$(mktemp -u) system_failed=$(mktemp -u)
        { if install_system; then touch "$system_done"; else touch "$system_failed"; fi; } &
        # On a bare system there is no Python until apt has brought one.
        command -v python3 >/dev/null || wait_for_system
        python=$(find_python)
        install_venv
        wait $! || die "the Debian packages could not be installed"
        [ ! -e "$system_failed" ] || die "the Debian packages could not be installed"
        rm -f "$system_done" "$system_failed"
        ;;
    *)
        printf 'usage: install.sh venv|system|all\n' >&2
        exit 2
        ;;
esac
echo "$venv"
