"""What a process keeps: made once a name, also over threads; the old one gone before the new one is made."""

import gc
import threading
import weakref

import pytest

from mixval.errors import ModelError
from mixval.stages.kept import LastMade


class Made:
    """Something that a weak reference can watch."""


def counting(made: list[str], name: str):
    def make() -> str:
        made.append(name)
        return name.upper()

    return make


def asked(slot: LastMade[str], names: str) -> list[str]:
    """What was made, in order, when these names were asked for."""
    made: list[str] = []
    for name in names:
        assert slot.get(name, counting(made, name)) == name.upper()
    return made


def test_one_is_kept_until_another_is_asked_for() -> None:
    assert asked(LastMade(), "aaabba") == ["a", "b", "a"]


def test_of_two_the_one_asked_for_longest_ago_goes() -> None:
    assert asked(LastMade(2), "abacabc") == ["a", "b", "c", "b", "c"]


def test_the_old_one_is_gone_before_the_new_one_is_made() -> None:
    slot, watched = LastMade[Made](), []

    def make() -> Made:
        gc.collect()
        assert all(one() is None for one in watched)
        made = Made()
        watched.append(weakref.ref(made))
        return made

    for name in "abc":
        slot.get(name, make)
    assert len(watched) == 3
    assert watched[-1]() is not None


def test_nothing_is_held_where_making_fails() -> None:
    slot = LastMade[str]()

    def fails() -> str:
        raise ModelError("there is no checkpoint")

    slot.get("a", lambda: "A")
    with pytest.raises(ModelError, match="no checkpoint"):
        slot.get("b", fails)
    assert asked(slot, "ba") == ["b", "a"]


def test_what_is_kept_by_hand_is_found() -> None:
    slot = LastMade[str]()
    slot.get("a", lambda: "A")
    slot.keep("a", "moved")
    assert slot.get("a", lambda: "A") == "moved"


def test_what_is_made_may_ask_itself() -> None:
    slot = LastMade[str](2)
    assert slot.get("outer", lambda: slot.get("inner", lambda: "i") + "o") == "io"
    assert slot.get("inner", lambda: "made again") == "i"


def test_threads_share_what_is_made_once() -> None:
    slot, made, found, arrived = LastMade[Made](), [], [], threading.Semaphore(0)

    def make() -> Made:
        for _ in range(8):  # until all have come to ask
            arrived.acquire()
        made.append(Made())
        return made[-1]

    def ask() -> None:
        arrived.release()
        found.append(slot.get("one", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 8


def test_threads_that_ask_for_different_ones_each_get_their_own() -> None:
    slot, wrong = LastMade[str](), []

    def ask(name: str) -> None:
        for _ in range(200):
            if slot.get(name, lambda: name) != name:
                wrong.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
