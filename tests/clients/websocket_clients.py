"""The WebSocket server and python3-websockets.

    websocket_clients.py WEBSOCKET_ECHO
"""

import asyncio
import os
import sys

import websockets

import server

MOST_SECONDS = 120


async def exchange(address):
    url = f"ws://{address}/echo"
    async with websockets.connect(url, max_size=None) as client:  # offers compression: not taken
        assert client.extensions == []
        for message in ("hello", "", "\u00e4\u20ac\U0001f600" * 10000, b"",
                        *[os.urandom(size) for size in (1, 125, 126, 65535, 65536, 1_000_000, 16_000_000)]):
            await client.send(message)
            assert await client.recv() == message
        await client.send(["one, ", "two, ", "", "three"])
        assert await client.recv() == "one, two, three"
        await client.send([os.urandom(0), b"x" * 70000, b"y"])
        assert await client.recv() == b"x" * 70000 + b"y"
        for payload in (b"", b"payload", b"p" * 125):
            await (await client.ping(payload))
        await client.pong(b"unasked")
        await client.send("still there")
        assert await client.recv() == "still there"
        await client.close(3999, "enough")
        assert client.close_code == 3999, client.close_code
    print("ok: messages, fragments, pings, and a close with a code of its own")


async def many(address):
    async def one(number):
        async with websockets.connect(f"ws://{address}/echo") as client:
            for i in range(50):
                await client.send(f"{number}: {i}")
            for i in range(50):
                assert await client.recv() == f"{number}: {i}"

    await asyncio.gather(*[one(number) for number in range(50)])
    print("ok: 50 clients with 50 messages on the way")


async def refused(address):
    try:
        async with websockets.connect(f"ws://{address}/elsewhere"):
            raise AssertionError("a handshake at another path was accepted")
    except websockets.InvalidStatusCode as answer:
        assert answer.status_code == 404, answer
    for frame, code in ((b"\x81\x81\x00\x00\x00\x00\xff", 1007), (b"\x83\x80\x00\x00\x00\x00", 1002),
                        (b"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", 1009)):
        async with websockets.connect(f"ws://{address}/echo") as client:
            client.transport.write(frame)  # what the library itself would not send
            await client.wait_closed()
            assert client.close_code == code, client.close_code
    print("ok: refused elsewhere, and closed with 1007, 1002 and 1009")


async def main():
    with server.running(os.path.abspath(sys.argv[1]), "--root=/") as (address, _):
        for part in (exchange, many, refused):
            await asyncio.wait_for(part(address), MOST_SECONDS)


asyncio.run(main())
