"""Personal data: e-mail addresses, phone numbers, card numbers, addresses of machines."""

from __future__ import annotations

import pytest

from guarded import findings
from handpicked.errors import ConfigError
from handpicked.guards.pii import Pii, cards, emails, ip_addresses, luhn, phones
from handpicked.selection.guards import plan_guards


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Write to Jane.Doe+x@mail.acme.co.uk, please.", ["Jane.Doe+x@mail.acme.co.uk"]),
        ("a@b.io;c@d.org", ["a@b.io", "c@d.org"]),
        ("user@example.com or x@sub.example.org or me@host.test", []),
        ("a @ b, @name, git@ x, f@1.5, user@localhost", []),
    ],
)
def test_emails(text, found):
    assert list(emails(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "Pay with 4111 1111 1111 1111 or 5555-5555-5555-4444.",
            ["4111 1111 1111 1111", "5555-5555-5555-4444"],
        ),
        ("378282246310005, 3782-822463-10005", ["378282246310005", "3782-822463-10005"]),
        ("4 8 12 16 20 24 28 32 36 40; 4111 1111-1111 1111", []),
        ("4111 1111 1111 1112", []),
        ("0000 0000 0000 0000 and 1234567890123452", []),
        ("pi is 3.14159265358979323846", []),
        ("x4111111111111111", []),
    ],
)
def test_cards(text, found):
    assert list(cards(text)) == found


def test_the_check_digit():
    assert luhn("79927398713") and not any(luhn(f"7992739871{digit}") for digit in "012456789")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It answers at 8.8.8.8 and 2001:4860:4860::8888.", ["8.8.8.8", "2001:4860:4860::8888"]),
        ("192.168.0.1, 127.0.0.1, 10.1.2.3, 256.1.1.1, ::1, fe80::1, 2001:db8::1", []),
        ("version 1.2.3.4, v1.2.3.4, 1.2.3.4.5, 12:30:45, std::vector, a::b", []),
    ],
)
def test_ip_addresses(text, found):
    assert list(ip_addresses(text)) == found


def test_phones():
    pytest.importorskip("phonenumbers")
    assert list(phones("Call (212) 555-0187 or +44 20 7946 0958.", "US")) == [
        "(212) 555-0187",
        "+44 20 7946 0958",
    ]
    assert list(phones("030 901820 in Berlin", "DE")) == ["030 901820"]
    assert not list(phones("2147483647, 2023-10-12, 12345-6789, 1 2 3 4 5 6 7 8, 3.14159265", "US"))


def test_kinds_are_named_and_the_data_are_not_repeated(tmp_path):
    pytest.importorskip("phonenumbers")
    rows = [
        {"prompt": "Who?", "response": "jane@acme.io, (212) 555-0187"},
        {"prompt": "I am at 8.8.8.8.", "response": "Good."},
        {"prompt": "Who?", "response": "Nobody in 2023-10-12 with 1,000,000 things."},
    ]
    assert findings(Pii(), rows, tmp_path) == ["e-mail, phone", "ip", None]


def test_chosen_kinds_need_no_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "phonenumbers", None)
    (guard,) = plan_guards(["pii=e-mail, card"])
    rows = [
        {"prompt": "Who?", "response": text} for text in ("jane@acme.io", "4111 1111 1111 1111", "8.8.8.8")
    ]
    assert findings(guard, rows, tmp_path) == ["e-mail", "card", None]
    with pytest.raises(ConfigError, match="kinds"):
        plan_guards(["pii=names"])
