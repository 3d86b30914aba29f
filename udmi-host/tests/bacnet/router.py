"""A simulated broadcast device (BBMD) that is a router as well, and a device behind it, on bacpypes3.

Prints one line of JSON with its address, then ends with standard input. Device 2005 is in network 5, at 7.
"""

import asyncio
import json
import socket
import sys

from bacpypes3.app import Application
from bacpypes3.appservice import ApplicationServiceAccessPoint
from bacpypes3.basetypes import EngineeringUnits
from bacpypes3.comm import bind
from bacpypes3.ipv4.link import BBMDLinkLayer
from bacpypes3.local.analog import AnalogInputObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.netservice import NetworkServiceAccessPoint, NetworkServiceElement
from bacpypes3.pdu import IPv4Address, LocalStation
from bacpypes3.vlan import VirtualNetwork
from bacpypes3.vlan.link import VirtualLinkLayer


def free_port(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class RoutedDevice(Application):
    def __init__(self, instance, network, address):
        Application.__init__(self)
        device = DeviceObject(
            objectIdentifier=("device", instance),
            objectName="Behind the router",
            vendorIdentifier=999,
            vendorName="Simulated",
            modelName="Virtual",
            maxApduLengthAccepted=480,
        )
        self.asap = ApplicationServiceAccessPoint(device, self.device_info_cache)
        self.nsap = NetworkServiceAccessPoint()
        self.nse = NetworkServiceElement()
        bind(self.nse, self.nsap)
        bind(self, self.asap, self.nsap)
        self.link = VirtualLinkLayer(address, network)
        self.nsap.bind(self.link, address=address)
        self.add_object(device)
        self.add_object(
            AnalogInputObject(
                objectIdentifier=("analog-input", 1),
                objectName="Routed",
                presentValue=12.5,
                units=EngineeringUnits("degreesCelsius"),
            )
        )


async def sockets_are_open():
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)


async def main():
    host = "127.0.0.5"
    local = IPv4Address(f"{host}:{free_port(host)}")
    VirtualNetwork("floor")
    access = NetworkServiceAccessPoint()
    element = NetworkServiceElement()
    bind(element, access)
    broadcast_device = BBMDLinkLayer(local)
    broadcast_device.add_peer(local)
    access.bind(broadcast_device, net=1, address=local)
    station = LocalStation(1)
    access.bind(VirtualLinkLayer(station, "floor"), net=5, address=station)
    RoutedDevice(2005, "floor", LocalStation(7))
    print(json.dumps({"device": 2005, "address": str(local)}), flush=True)
    await sockets_are_open()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        pass


asyncio.run(main())
