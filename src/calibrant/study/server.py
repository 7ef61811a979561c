"""Serving a study over HTTP; addresses are not logged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from time import sleep

from calibrant.errors import CalibrantError, MissingExtra

try:
    import uvicorn
except ImportError as error:  # pragma: no cover - the message is tested without the extra
    raise MissingExtra("a study", "study") from error

from calibrant.study.app import make_app
from calibrant.study.folder import Study


def server(study: Study, host: str, port: int) -> uvicorn.Server:
    """A server that is ready to run; port 0 takes a free one."""
    return uvicorn.Server(
        uvicorn.Config(
            make_app(study),
            host=host,
            port=port,
            access_log=False,
            server_header=False,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=10,
            timeout_keep_alive=75,  # longer than most questions take
        )
    )


@contextmanager
def running(study: Study) -> Iterator[str]:
    """The study served from a thread of this process; gives its address."""
    made = server(study, "127.0.0.1", 0)
    thread = Thread(target=made.run, daemon=True)
    thread.start()
    while not made.started:
        if not thread.is_alive():
            raise CalibrantError("the server of the study did not start")
        sleep(0.01)
    port = made.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        made.should_exit = True
        thread.join()
