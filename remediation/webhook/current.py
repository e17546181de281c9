"""The matrix in force: read at start, read again when told, and kept when the new one is refused."""

import threading

from oslo_log import log

from remediation.matrix import file
from remediation.matrix.errors import MatrixError
from remediation.matrix.model import Matrix

LOG = log.getLogger(__name__)


class CurrentMatrix:
    """The matrix of the file at `path`. Threads may read `matrix` while another one reloads."""

    def __init__(self, path: str) -> None:
        """Raises MatrixError: a process does not start with a matrix that must not be applied."""
        self._path = path
        self._lock = threading.Lock()
        self._matrix = file.read_sound(path)

    @property
    def matrix(self) -> Matrix:
        """The newest matrix that was accepted."""
        with self._lock:
            return self._matrix

    def reload(self) -> bool:
        """Read the file again. Return whether it was accepted; if not, the former matrix stays in force."""
        try:
            matrix = file.read_sound(self._path)
        except MatrixError as error:
            for problem in error.problems:
                LOG.error("matrix not reloaded, the former one stays in force: %s", problem)
            return False
        with self._lock:
            self._matrix = matrix
        LOG.info("matrix reloaded from %s: %d rows", self._path, len(matrix.rows))
        return True
