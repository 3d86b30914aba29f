"""A Modbus/TCP device for the tests: says its port in its first line, ends with its standard input."""

import asyncio
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def registers(address, values):
    return SimData(address, values=values, datatype=DataType.REGISTERS)


def bits(address, values):
    return SimData(address, values=[value == 1 for value in values], datatype=DataType.BITS)


def unit(number, first):
    """A unit with holes between its registers: 6 and 32 are not there."""
    holding = [
        registers(0, [first, 0xFFFF, 0x41A8, 0xCCCD, 0xCCCD, 0x41A8]),
        registers(7, [0x4148, 0x552D, 0x3100]),
        registers(10, [0x8000, 0, 0, 1]),
        registers(14, [0x4035, 0x1999, 0x9999, 0x999A]),
        registers(20, [0] * 12),
        registers(100, list(range(300))),
    ]
    inputs = [registers(0, [first + 1, 215])]
    coils = [bits(0, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])]
    discrete = [bits(0, [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])]
    return SimDevice(number, simdata=(coils, discrete, holding, inputs))


async def main():
    server = ModbusTcpServer([unit(1, 100), unit(2, 200)], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


asyncio.run(main())
