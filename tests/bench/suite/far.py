#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A server that is far away: a process in between that hands on every byte later, in both directions.

Nothing is slower but the way: what is under way at once is bounded by BUFFER alone. Beside the delay an answer needs
two wake-ups of this process, some tenths of a millisecond.
"""
import asyncio
import os
import subprocess
import sys

CHUNK = 1 << 18
BUFFER = 64 << 20  # bytes under way in one direction


class Far:
    """`port` on this machine is `to_port`, `milliseconds` away in each direction."""

    def __init__(self, world, to_port, milliseconds):
        self.process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), str(to_port), str(milliseconds)],
                                        stdout=subprocess.PIPE, text=True)
        world.later(self.close)
        self.port = int(self.process.stdout.readline())
        world.others[f"_way to {to_port}"] = self.process.pid

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


async def read(reader, queue, room, delay):
    loop = asyncio.get_running_loop()
    while True:
        data = await reader.read(CHUNK)
        room[0] -= len(data)
        queue.put_nowait((loop.time() + delay, data))
        if not data:
            return
        while room[0] < 0:
            await asyncio.sleep(0.001)


async def write(writer, queue, room):
    loop = asyncio.get_running_loop()
    while True:
        due, data = await queue.get()
        await asyncio.sleep(due - loop.time())
        room[0] += len(data)
        if not data:
            writer.close()
            return
        writer.write(data)
        await writer.drain()


async def one_way(reader, writer, delay):
    queue, room = asyncio.Queue(), [BUFFER]
    try:
        await asyncio.gather(read(reader, queue, room, delay), write(writer, queue, room))
    except OSError:
        writer.close()


async def serve(to_port, delay):
    async def connected(reader, writer):
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", to_port, limit=CHUNK)
        except OSError:
            writer.close()
            return
        await asyncio.gather(one_way(reader, there_writer, delay), one_way(there_reader, writer, delay))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=CHUNK)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
    except KeyboardInterrupt:
        pass
