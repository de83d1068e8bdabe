"""DNs in whichever of the ways that RFC 4514 leaves open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsteward.core.distinguished_names import canonical_dn, rdn_of, rdn_value, same_dn, split_dn


@pytest.mark.parametrize(
    "written",
    ["cn=Doe\\, J,ou=x", "cn=Doe\\2C J,ou=x", 'cn="Doe, J",ou=x', "cn=Doe\\2c J , ou=x", 'cn="Doe\\, J" , ou=x'],
)
def test_a_dn_is_one_however_it_is_escaped(written: str) -> None:
    assert canonical_dn(written) == "cn=Doe\\, J,ou=x"
    assert rdn_value(written) == "Doe, J"
    assert same_dn(written, "CN=doe\\, j,OU=x")


def test_utf_8_in_hexadecimal_and_several_values_of_one_name_are_read() -> None:
    assert canonical_dn("cn=Z\\C3\\B6e+sn=a\\2Bb,dc=x") == "cn=Zöe+sn=a\\+b,dc=x"
    assert rdn_value("cn=Z\\C3\\B6e+sn=b,dc=x") == "Zöe"
    assert canonical_dn("cn=#04024869\\,x") == "cn=#04024869\\,x"  # the BER of a value stays as it is


@pytest.mark.parametrize("text", ["", "no dn", 'a"b', "\\", "=", "cn=\\", 'cn="open', ",,\\,", "a=b\\zz"])
def test_what_is_no_dn_ends_and_breaks_nothing(text: str) -> None:
    assert isinstance(canonical_dn(text), str) and isinstance(rdn_value(text), str)


def test_what_is_longer_than_any_dn_is_left_as_it_is() -> None:
    """Taking it apart would take minutes."""
    text = "cn=a\\,b," * 500_000
    assert canonical_dn(text) is text


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_any_value_comes_back_from_its_dn(value: str) -> None:
    dn = f"{rdn_of('uid', value)},ou=people,dc=x"
    assert (rdn_value(dn), canonical_dn(dn), split_dn(dn)[1]) == (value, dn, "ou=people,dc=x")
