"""Tests of a function that rotates a password."""

import subprocess

import pytest

DIRECTORY = "d-1234567890"


def rotate(ds, user, password):
    """The code under test."""
    ds.reset_user_password(DirectoryId=DIRECTORY, UserName=user, NewPassword=password)


def logs_in(server, user, password):
    # ldapwhoami is of Debian's ldap-utils; any LDAP client will do.
    command = ["ldapwhoami", "-x", "-H", server["ldap"], "-D", user + "@corp.example.com", "-w", password]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_new_password_logs_in(ds, server):
    rotate(ds, "jane", "New-Password-2")
    assert logs_in(server, "jane", "New-Password-2")
    assert not logs_in(server, "jane", "Old-Password-1")


def test_each_test_begins_with_the_seed(ds, server):
    assert logs_in(server, "jane", "Old-Password-1")


def test_throttling_is_tried_again(ds, server, dev):
    dev("fault", "add", "--operation", "ResetUserPassword", "--code", "ThrottlingException", "--times", "2")
    rotate(ds, "jane", "New-Password-2")
    assert logs_in(server, "jane", "New-Password-2")


def test_a_weak_password_is_refused(ds):
    with pytest.raises(ds.exceptions.InvalidPasswordException):
        rotate(ds, "jane", "weak")
