"""The webhook over WSGI: POST /v1/alarm?row=NAME for Aodh, GET /healthz for whoever wants to know that we live.

A call is authenticated before its body is read, and stored before it is answered. Each refusal is one line in the log,
with the caller's address and the reason, never with credentials. Answers:

    202  stored; it opened an incident or joined one       200  this event was stored before
    400  not the body of an event alarm                    401  no or wrong credentials
    404  no such path, or no such row in the matrix        411  no Content-Length
    413  body larger than body.MAX_BYTES                   422  the event is no verdict that this release reads
    503  not stored: the database is away
"""

import datetime
import logging
import uuid
from collections.abc import Callable
from typing import Any, Final

import falcon
from oslo_db import exception as db_exception
from oslo_log import log

from remediation.alarms.destination import CALL_PATH, ROW_PARAMETER
from remediation.incident.call import Call
from remediation.matrix.model import Matrix
from remediation.store.errors import StoreError
from remediation.webhook import body
from remediation.webhook.credentials import Credentials
from remediation.webhook.errors import Refusal, shown
from remediation.webhook.port import Calls

LOG = log.getLogger(__name__)
HEALTH_PATH: Final = "/healthz"


def make_app(
    *,
    credentials: Credentials,
    matrix: Callable[[], Matrix],
    calls: Calls,
    clock: Callable[[], datetime.datetime],
) -> "falcon.App[falcon.Request, falcon.Response]":
    """Return the WSGI application. `matrix` returns the one in force, `clock` the wall-clock time with its zone."""
    app = falcon.App(middleware=[_RefusalLog()])
    # "row=a,b" is one odd name and not two; an empty one is refused by us and not swallowed.
    app.req_options.auto_parse_qs_csv = False
    app.req_options.keep_blank_qs_values = True
    app.add_route(CALL_PATH, _AlarmResource(credentials, matrix, calls, clock))
    app.add_route(HEALTH_PATH, _HealthResource())
    app.add_error_handler(Refusal, _answer_refusal)
    app.add_error_handler(falcon.HTTPError, _answer_http_error)
    app.add_error_handler(Exception, _answer_fault)
    return app


class _HealthResource:
    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.media = {"alive": True}


class _AlarmResource:
    def __init__(
        self,
        credentials: Credentials,
        matrix: Callable[[], Matrix],
        calls: Calls,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._credentials = credentials
        self._matrix = matrix
        self._calls = calls
        self._clock = clock

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        received_at = self._clock().astimezone(datetime.UTC).isoformat()
        complaint = self._credentials.complaint(request.auth)
        if complaint is not None:
            response.set_header("WWW-Authenticate", 'Basic realm="ceilo-gossip", charset="UTF-8"')
            raise Refusal(401, "Authorization", complaint)
        content = _content(request)
        row = self._known_row(request)
        call = body.read_call(content, row=row, call_id=str(uuid.uuid4()), received_at=received_at)
        self._record(call, request, response)

    def _known_row(self, request: falcon.Request) -> str:
        names = request.get_param_as_list(ROW_PARAMETER) or []
        if len(names) != 1:
            raise Refusal(400, f"query parameter {ROW_PARAMETER}", "must name one row of the matrix")
        if self._matrix().named(names[0]) is None:
            problem = f"{shown(names[0])} is no row of the matrix; run remediation-manage matrix apply"
            raise Refusal(404, f"query parameter {ROW_PARAMETER}", problem)
        return names[0]

    def _record(self, call: Call, request: falcon.Request, response: falcon.Response) -> None:
        try:
            recorded = self._calls.record_call(call)
        except (StoreError, db_exception.DBError) as error:
            # Nothing is acknowledged. Aodh will not call again; the agents' next report, while it lasts, will.
            problem = f"is away ({type(error).__name__}); the call about {call.verdict.host} was not stored"
            raise Refusal(503, "database", problem) from error
        applying = self._matrix().row_for(call.verdict.networks)
        if applying.name != call.row:
            LOG.warning(
                "%s: alarm %s names row %s, the matrix says %s; run remediation-manage matrix apply",
                call.verdict.host,
                call.alarm_name,
                call.row,
                applying.name,
            )
        response.status = 200 if recorded.is_duplicate else 202
        response.media = {"incident_id": recorded.incident_id, "call_id": call.call_id}
        if recorded.is_duplicate:
            response.media = {"incident_id": recorded.incident_id, "duplicate": True}
        LOG.info(
            "%s: call for row %s from %s %s incident %s",
            call.verdict.host,
            call.row,
            request.remote_addr,
            "known already in" if recorded.is_duplicate else "opened" if recorded.is_new else "joined",
            recorded.incident_id,
        )


def _content(request: falcon.Request) -> bytes:
    """Return the body, of which never more is read than the limit."""
    length = request.content_length
    if length is None:
        raise Refusal(411, "Content-Length", "is missing; the body's length must be known beforehand")
    if length > body.MAX_BYTES:
        raise Refusal(413, "body", f"has {length} bytes; the limit is {body.MAX_BYTES}")
    content: bytes = request.bounded_stream.read(length)
    if len(content) != length:
        raise Refusal(400, "body", f"ended after {len(content)} of {length} bytes")
    return content


class _RefusalLog:
    """Writes one line for each refusal, once it is answered and no exception is under way.

    (oslo.log would add the exception to the line, and so say everything twice.)
    """

    def process_response(
        self, request: falcon.Request, response: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        refusal: Refusal | None = response.context.get("refusal")
        if refusal is not None:
            LOG.log(
                logging.ERROR if refusal.code >= 500 else logging.WARNING,
                "%s %s from %s refused: %s",
                request.method,
                shown(request.path),
                request.remote_addr,
                refusal,
            )


def _answer_refusal(_request: falcon.Request, response: falcon.Response, refusal: Refusal, _params: Any) -> None:
    response.context["refusal"] = refusal
    response.status = refusal.code
    response.media = {"error": {"code": refusal.code, "place": refusal.place, "problem": refusal.problem}}


def _answer_http_error(
    request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, params: Any
) -> None:
    """Falcon's own refusals (no such path, wrong method, a header that cannot be read), in our form."""
    if error.headers is not None:
        response.set_headers(error.headers)
    problem = error.description or error.title or "is not served here"
    _answer_refusal(request, response, Refusal(error.status_code, "request", problem), params)


def _answer_fault(request: falcon.Request, response: falcon.Response, _error: Exception, _params: Any) -> None:
    """A fault of ours: the caller learns that the call was not stored, the log learns why."""
    LOG.exception("%s %s from %s failed", request.method, shown(request.path), request.remote_addr)
    response.status = 500
    response.media = {"error": {"code": 500, "place": "webhook", "problem": "failed; see its log"}}
