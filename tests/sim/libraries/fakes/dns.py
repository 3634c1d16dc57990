"""A DNS server (RFC 1035): every name has one address."""

import asyncio

import dns.flags
import dns.message
import dns.rrset


class Dns(asyncio.DatagramProtocol):
    """Answers over UDP but ignores the first ``deaf`` questions."""

    def __init__(self, address: str, deaf: int = 0) -> None:
        self.address = address
        self.deaf = deaf

    async def start(self) -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, ("0.0.0.0", 53))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self.deaf:
            self.deaf -= 1
            return
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        answer.answer.append(dns.rrset.from_text(question.question[0].name, 60, "IN", "A", self.address))
        self.transport.sendto(answer.to_wire(), address)
