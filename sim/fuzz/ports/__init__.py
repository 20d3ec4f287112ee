"""What a handler under test talks to: a broker that misbehaves and a database that is slow, in one Desk."""

from sim.fuzz.ports.broker import Broker, Fill, Order, Rejected
from sim.fuzz.ports.database import Busy, Database
from sim.fuzz.ports.desk import Desk

__all__ = ["Broker", "Busy", "Database", "Desk", "Fill", "Order", "Rejected"]
