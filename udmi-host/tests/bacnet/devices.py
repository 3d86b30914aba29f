"""Simulated BACnet/IP devices on loopback, on the Python package bacpypes3.

Prints one line of JSON with the address of each device, then answers commands on standard input until that ends:

    show DEVICE TYPE,INSTANCE    the present value and the priorities of an object, as JSON
"""

import asyncio
import json
import socket
import sys

from bacpypes3.basetypes import EngineeringUnits
from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.analog import AnalogInputObject, AnalogOutputObject, AnalogValueObject
from bacpypes3.local.binary import BinaryInputObject, BinaryOutputObject, BinaryValueObject
from bacpypes3.local.cmd import Commandable
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.multistate import MultiStateValueObject
from bacpypes3.object import CharacterStringValueObject, IntegerValueObject
from bacpypes3.pdu import IPv4Address
from bacpypes3.primitivedata import ObjectIdentifier


class CommandableAnalogValue(Commandable, AnalogValueObject):
    pass


class CommandableBinaryValue(Commandable, BinaryValueObject):
    pass


class CommandableMultiStateValue(Commandable, MultiStateValueObject):
    pass


def free_port(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def common(kind, instance, name, **more):
    return dict(objectIdentifier=(kind, instance), objectName=name, **more)


def air_handler(instance):
    degrees = EngineeringUnits("degreesCelsius")
    return [
        AnalogInputObject(
            **common("analog-input", 1, "Supply Air Temp"),
            description="behind the coil",
            presentValue=21.3,
            units=degrees,
        ),
        AnalogOutputObject(
            **common("analog-output", 1, "Heating Valve"),
            presentValue=0.0,
            relinquishDefault=5.0,
            units=EngineeringUnits("percent"),
        ),
        CommandableAnalogValue(
            **common("analog-value", 12, "Room Setpoint"),
            presentValue=20.5,
            relinquishDefault=20.5,
            outOfService=False,
            units=degrees,
        ),
        AnalogValueObject(**common("analog-value", 13, "Plain Value"), presentValue=-1.5, units=degrees),
        BinaryInputObject(
            **common("binary-input", 3, "Fan Status"),
            presentValue="active",
            inactiveText="stopped",
            activeText="running",
        ),
        BinaryOutputObject(**common("binary-output", 4, "Enable"), presentValue="inactive"),
        CommandableBinaryValue(
            **common("binary-value", 11, "Occupied"), presentValue="inactive", relinquishDefault="inactive"
        ),
        CommandableMultiStateValue(
            **common("multi-state-value", 1, "Mode"),
            presentValue=2,
            numberOfStates=3,
            stateText=["auto", "on", "off"],
            relinquishDefault=2,
        ),
        CharacterStringValueObject(**common("characterstring-value", 1, "Müllraum"), presentValue="größer"),
        IntegerValueObject(**common("integer-value", 1, "Offset"), presentValue=-300, units=degrees),
    ]


def many_points(instance):
    return [
        AnalogValueObject(
            **common("analog-value", number, f"Point {number}"),
            presentValue=float(number),
            units=EngineeringUnits("noUnits"),
        )
        for number in range(1, 401)
    ]


def start(host, instance, name, objects):
    device = DeviceObject(
        objectIdentifier=("device", instance),
        objectName=name,
        vendorIdentifier=999,
        vendorName="Simulated",
        modelName="Loopback",
        firmwareRevision="1.2",
        applicationSoftwareVersion="3.4",
        serialNumber=f"SN-{instance}",
        location="rack",
        maxApduLengthAccepted=1024,
    )
    address = f"{host}:{free_port(host)}"
    application = NormalApplication(device, IPv4Address(address))
    for each in objects:
        application.add_object(each)
    print(json.dumps({"device": instance, "address": address}), flush=True)
    return application


def plain(value):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value)
    return str(value)


def show(application, name):
    found = application.get_object_id(ObjectIdentifier(name))
    priorities = getattr(found, "priorityArray", None) or []
    held = {}
    for number, each in enumerate(priorities, start=1):
        value = getattr(each, each._choice) if each._choice else None
        if each._choice and each._choice != "null":
            held[number] = plain(value)
    return {"present": plain(found.presentValue), "priorities": held}


async def sockets_are_open():
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)


async def main():
    applications = {
        1001: start("127.0.0.2", 1001, "AHU one", air_handler(1001)),
        1002: start("127.0.0.3", 1002, "AHU two", air_handler(1002)),
        1003: start("127.0.0.4", 1003, "Controller", many_points(1003)),
    }
    await sockets_are_open()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        _, device, name = line.split()
        print(json.dumps(show(applications[int(device)], name)), flush=True)


asyncio.run(main())
