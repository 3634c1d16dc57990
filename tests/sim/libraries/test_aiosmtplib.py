from email.message import EmailMessage

import aiosmtplib
import pytest

from tests.sim.libraries.fakes.smtp import Smtp
from tests.sim.libraries.world import Lab, for_client, for_server, play, play_secretly


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Hello"
    message.set_content("How do you do?\n" * 1000)
    return message


async def mail(lab: Lab) -> tuple[bool, float]:
    server = Smtp()
    await lab.serve(server.start())
    await aiosmtplib.send(letter(), hostname="server", port=587, start_tls=False)
    return server.mails[0].count(b"How do you do?") == 1000, lab.now


async def secret_mail(lab: Lab) -> int:
    server = Smtp(for_server())
    await lab.serve(server.start())
    await aiosmtplib.send(letter(), hostname="server", port=587, start_tls=True, tls_context=for_client())
    return len(server.mails)


async def power_cut(lab: Lab) -> float:
    await lab.serve(Smtp().start())
    client = aiosmtplib.SMTP(hostname="server", port=587, start_tls=False, timeout=60)
    await client.connect()
    lab.server.power_off()
    began = lab.now
    with pytest.raises(aiosmtplib.SMTPTimeoutError):
        await client.noop()
    client.close()
    return lab.now - began


def test_a_letter_is_delivered() -> None:
    is_whole, took = play(mail)
    assert is_whole
    # ARP both ways, the handshake and the greeting take 160 ms, then EHLO, MAIL, RCPT, DATA, and QUIT 40 ms each. So
    # would the text, but it fills 12 segments, and the first flight holds ten.
    assert took == pytest.approx(0.16 + 5 * 0.04 + 2 * 0.04, abs=1e-6)


def test_a_letter_is_delivered_after_starttls() -> None:
    assert play_secretly(secret_mail) == 1


def test_a_command_to_a_server_without_power_times_out() -> None:
    assert play(power_cut) == pytest.approx(60, abs=1e-6)
