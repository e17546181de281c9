"""The one error of this package: Aodh refused, or could not be asked."""


class AlarmError(Exception):
    """Aodh did not do what it was asked; the text says what and why, without credentials."""
