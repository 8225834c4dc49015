"""Personal data: e-mail addresses, phone numbers, card numbers, addresses of machines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from handpicked.errors import MissingPart
from handpicked.guards.lint import Lint, found_in

Kind = Literal["e-mail", "phone", "card", "ip"]
KINDS: tuple[Kind, ...] = ("e-mail", "phone", "card", "ip")
SUSPECT = r"\w@\w|\d[\d ().\-/]{5,}\d|\d\.\d+\.\d+\.\d|[0-9a-fA-F]:[0-9a-fA-F:]*:"
"""What a text with any of them matches (RE2); most texts do not, and are not looked at further."""
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})(?![\w-])")
_NUMBER = re.compile(r"(?<![\w.])(?:\+|\()?\d[\d ().\-/]{5,22}\d(?![\w])")
_CARD = re.compile(
    r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-])"
)
_IPV4 = re.compile(r"(?<![\w.-])(?<!ersion )\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])")
_IPV6_IN_USE = ip_network("2000::/3")
_DOCUMENTATION = ip_network("2001:db8::/32")
RESERVED = ("example", "test", "invalid", "localhost")
"""Names of no real host (RFC 2606): an address there is nobody's."""
CARD_BEGINS = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[0689]|6(?:011|4[4-9]|5)|35")
"""Visa, Mastercard, American Express, Diners Club, Discover, JCB."""


@dataclass(frozen=True)
class Pii(Lint):
    """Drops rows with personal data in prompt or response: e-mail addresses, phone numbers (by the library
    phonenumbers), numbers of payment cards (with their check digit, ISO/IEC 7812), public IP addresses.

    It looks for forms, so it finds neither names nor postal addresses. Addresses of example.com and its like,
    private IP addresses and phone numbers without any separator pass. Findings are reported by their kind, so
    that no file of handpicked repeats them.
    """

    kinds: tuple[Kind, ...] = KINDS
    """What to look for."""
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    """The country whose phone numbers may be written without + (ISO 3166)."""

    name: ClassVar[str] = "pii"
    about: ClassVar[str] = "drops rows with e-mail addresses, phone, card or IP numbers"
    needs: ClassVar[str] = "filters"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    libraries: ClassVar[tuple[str, ...]] = ("phonenumbers",)
    value: ClassVar[str] = "KIND,KIND"
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("prompt", "response")
    fault: ClassVar[str] = "it holds personal data"

    @classmethod
    def settings_in(cls, value: str) -> Mapping[str, object]:
        return {"kinds": tuple(one.strip() for one in value.split(","))} if value else {}

    def check(self) -> None:
        if "phone" not in self.kinds:
            return
        try:
            import phonenumbers  # noqa: F401
        except ImportError as error:
            raise MissingPart(
                "the guard pii needs the package phonenumbers: pip install 'handpicked[filters]'. Without "
                "it, leave phone numbers out: pii=e-mail,card,ip."
            ) from error

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        prompt, response = (found_in(batch[name], SUSPECT, self._kinds_in) for name in self.reads)
        return pa.compute.coalesce(response, prompt)

    def _kinds_in(self, text: str) -> str | None:
        """The kinds of personal data in a text."""
        return ", ".join(kind for kind in self.kinds if self._holds(kind, text)) or None

    def _holds(self, kind: Kind, text: str) -> bool:
        finders = {"e-mail": emails, "card": cards, "ip": ip_addresses}
        found = phones(text, self.region) if kind == "phone" else finders[kind](text)
        return next(found, None) is not None


def emails(text: str) -> Iterator[str]:
    """The e-mail addresses in a text, without those of reserved names."""
    for match in _EMAIL.finditer(text):
        if not set(match[1].lower().split(".")).intersection(RESERVED):
            yield match.group()


def phones(text: str, region: str) -> Iterator[str]:
    """The valid phone numbers in a text that are written as such: with + or with a separator."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    for candidate in _NUMBER.finditer(text):
        for match in PhoneNumberMatcher(candidate.group(), region, leniency=Leniency.STRICT_GROUPING):
            if not match.raw_string.isdigit():
                yield match.raw_string


def cards(text: str) -> Iterator[str]:
    """The numbers in a text that are of a payment card: by their beginning, length and check digit."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if CARD_BEGINS.match(digits) and len(set(digits)) > 1 and luhn(digits):
            yield match.group()


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = sum(int(one) for one in digits[::-2])
    return (total + sum(sum(divmod(2 * int(one), 10)) for one in digits[-2::-2])) % 10 == 0


def ip_addresses(text: str) -> Iterator[str]:
    """The public IP addresses in a text."""
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                address = ip_address(match.group())
            except ValueError:
                continue
            used = address.version == 4 or (address in _IPV6_IN_USE and address not in _DOCUMENTATION)
            if address.is_global and used:
                yield match.group()
