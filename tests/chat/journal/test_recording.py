"""What a turn's readers read, however many they are and whenever they come."""

import asyncio

import pytest

from chat.events import Delta, Error, Stage, as_json, from_json
from chat.journal.entries import Entry
from chat.journal.recording import GATHERED, Recording

END = Error("internal", "It ended.", 500)


async def read_all(recording: Recording, after: int = 0) -> list[Entry]:
    return [entry async for entry in recording.follow(after)]


def text_of(entries: list[Entry]) -> str:
    return "".join(entry.event.text for entry in entries if isinstance(entry.event, Delta))


async def test_events_are_numbered_from_one():
    recording = Recording()
    recording.add(Stage("searching"))
    recording.add(END)

    assert await read_all(recording) == [Entry(1, Stage("searching")), Entry(2, END)]


async def test_a_reader_goes_on_after_the_event_that_it_has():
    recording = Recording()
    for stage in ("searching", "writing", "checking"):
        recording.add(Stage(stage))
    recording.add(END)

    assert [entry.number for entry in await read_all(recording, after=2)] == [3, 4]


async def test_a_reader_hears_what_comes_later():
    recording = Recording()
    reading = asyncio.create_task(read_all(recording))
    await asyncio.sleep(0)

    recording.add(Stage("searching"))
    await asyncio.sleep(0)
    recording.add(END)

    assert [entry.number for entry in await reading] == [1, 2]


async def test_whoever_has_the_last_event_hears_nothing_more():
    recording = Recording()
    recording.add(END)

    assert await asyncio.wait_for(read_all(recording, after=1), 1) == []


async def test_nothing_comes_after_the_last_event():
    recording = Recording()
    recording.add(END)
    recording.add(Delta("too late"))

    assert [entry.event for entry in await read_all(recording)] == [END]


async def test_the_first_word_does_not_wait():
    recording = Recording()
    recording.add(Delta("Once "))

    assert text_of(recording.entries) == "Once "


async def test_later_words_are_gathered_for_a_moment():
    recording = Recording()
    for word in ("Once ", "in ", "twelve ", "seconds."):
        recording.add(Delta(word))

    before = len(recording.entries)
    await asyncio.sleep(2 * GATHERED)

    assert (before, len(recording.entries)) == (1, 2)
    assert text_of(recording.entries) == "Once in twelve seconds."


async def test_what_is_gathered_is_told_before_any_other_event():
    recording = Recording()
    for event in (Delta("Once "), Delta("in "), Stage("checking"), END):
        recording.add(event)

    assert [entry.event for entry in recording.entries] == [
        Delta("Once "), Delta("in "), Stage("checking"), END,
    ]  # fmt: skip


async def test_a_reader_that_lags_behind_finds_the_text_in_one_piece():
    recording = Recording()
    recording.extend([Entry(number, Delta(f"{number} ")) for number in range(1, 1001)])
    recording.extend([Entry(1001, END)])

    entries = await read_all(recording)

    assert [entry.number for entry in entries] == [1000, 1001]
    assert text_of(entries) == "".join(f"{number} " for number in range(1, 1001))


async def test_entries_that_come_twice_are_there_once():
    recording = Recording()
    first = [Entry(1, Stage("searching")), Entry(2, Delta("Once "))]
    recording.extend(first)
    recording.extend([*first, Entry(3, END)])

    assert [entry.number for entry in recording.entries] == [1, 2, 3]


async def test_readers_are_counted_and_their_end_is_noticed():
    recording = Recording()
    recording.add(Stage("searching"))
    entries = recording.follow()
    await anext(entries)

    reading = recording.readers
    await entries.aclose()

    assert (reading, recording.readers) == (1, 0)


@pytest.mark.parametrize("event", [Delta("Füße 🙂 \u2028"), Stage("queued", position=3), END])
def test_an_event_survives_being_written_down(event):
    assert from_json(as_json(event)) == event


def test_what_is_no_event_is_not_taken_for_one():
    with pytest.raises(KeyError):
        from_json({"type": "unheard of"})


def test_a_field_of_a_newer_version_is_left_out():
    assert from_json({**as_json(Delta("Once ")), "mood": "calm"}) == Delta("Once ")


async def test_of_two_ends_that_were_found_elsewhere_the_first_one_counts():
    recording = Recording()

    recording.extend([Entry(1, Delta("Once")), Entry(2, END), Entry(100_001, END)])
    recording.extend([Entry(100_002, END)])

    assert [entry.number for entry in recording.entries] == [1, 2]
