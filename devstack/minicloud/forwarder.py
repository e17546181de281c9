"""The forwarder: lets a person on the machine reach services inside a host, on 127.0.0.1.

It listens in the namespace it was started in, then moves into the host's network namespace and connects to the host's
own address there. Run by `start` as `python -m minicloud.forwarder HOST LISTEN:TARGET...`.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Mapping

from minicloud import daemon, kernel, layout

GROUP = "forwarder"
LISTEN_ADDRESS = "127.0.0.1"
CHUNK_BYTES = 65536


def start(ports: Mapping[int, int], *, host: str = "ctl-1", cloud: layout.Layout | None = None) -> None:
    """Forward each port of 127.0.0.1 to a port of the host's management address, until `stop`.

    Nothing happens if the cloud's forwarder runs already. A port that is taken is told in its log.
    """
    cloud = cloud or layout.current()
    pairs = [f"{listen}:{target}" for listen, target in ports.items()]
    daemon.start(cloud, cloud.group(GROUP), daemon.python_command("minicloud.forwarder", host, *pairs))


def stop(*, cloud: layout.Layout | None = None) -> None:
    """End the forwarder; nothing happens if it does not run."""
    daemon.stop((cloud or layout.current()).group(GROUP))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _relay(target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection(*target)
    except OSError:
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        for each in (writer, far_writer):
            each.close()


async def _serve(listener: socket.socket, target: tuple[str, int]) -> None:
    server = await asyncio.start_server(lambda reader, writer: _relay(target, reader, writer), sock=listener)
    async with server:
        await server.serve_forever()


async def _run(listeners: Mapping[socket.socket, tuple[str, int]]) -> None:
    await asyncio.gather(*(_serve(listener, target) for listener, target in listeners.items()))


def main() -> None:
    """Forward what the command line says until ended."""
    name, *pairs = sys.argv[1:]
    host = layout.current().host(name)
    listeners = {}
    for pair in pairs:
        listen, target = (int(each) for each in pair.split(":"))
        listener = socket.create_server((LISTEN_ADDRESS, listen))
        listeners[listener] = (host.address(layout.MANAGEMENT), target)
    kernel.enter_network_namespace(host.namespace)
    asyncio.run(_run(listeners))


if __name__ == "__main__":
    main()
