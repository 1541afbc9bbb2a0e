"""Ctrl-C waits, or is not heard, where it would do harm."""

import os
import signal
import threading

import pytest

from scaffold import interrupts


def test_an_interrupt_waits_for_the_end_of_the_block():
    done = []

    def work() -> None:
        with interrupts.deferred():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_nobody_hears_stays_unheard():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.deferred():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_error_in_the_block_comes_out():
    with pytest.raises(ZeroDivisionError), interrupts.deferred():
        raise ZeroDivisionError


def test_other_threads_are_left_alone():
    def both() -> None:
        with interrupts.deferred():
            interrupts.ignore()

    thread = threading.Thread(target=both)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
