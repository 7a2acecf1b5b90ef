"""The description of the websocket and the websocket: each frame of either side.

Every test that opens a socket holds what it receives against the description, too (clients.py).
"""

from dataclasses import fields

import pytest

from chat import events
from chat.frames import ALWAYS, FIELDS, MAX_ID, ProtocolError, parse
from tests.chat.asyncapi import complaints, described, kinds_of, schema_of

EVENTS = [events.Start, events.Stage, events.Sources, events.Delta, events.Cited, events.Restart,
          events.Claims, events.Done, events.Error]  # fmt: skip


def test_it_names_the_frames_that_a_client_may_send():
    assert kinds_of("hear") == set(FIELDS)


@pytest.mark.parametrize("kind", FIELDS)
def test_it_names_their_fields(kind):
    assert set(schema_of(kind)["properties"]) == {*ALWAYS, *FIELDS[kind]}


def test_it_names_the_frames_that_a_server_sends():
    own = {"ready", "expires", "pong"}
    assert kinds_of("tell") == own | {event.type for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_it_names_the_fields_of_events(event):
    around = {"v", "seq", "id", "type", "event_id"}
    names = {field.name for field in fields(event)}

    assert set(schema_of(event.type)["properties"]) == around | names


def test_every_message_of_it_is_part_of_the_channel():
    messages = set(described()["components"]["messages"])

    assert set(described()["channels"]["chat"]["messages"]) == messages
    assert kinds_of("hear") | kinds_of("tell") == messages


@pytest.mark.parametrize("kind", FIELDS)
def test_a_field_that_it_does_not_name_is_refused(kind):
    with pytest.raises(ProtocolError) as refused:
        parse(f'{{"v": 1, "type": "{kind}", "id": "1", "more": 1}}')

    assert refused.value.code == "unknown_field"


def test_the_length_of_an_id_is_the_described_one():
    assert schema_of("id")["maxLength"] == MAX_ID


def test_a_frame_that_is_none_is_noticed():
    assert complaints({"type": "pong", "v": 1, "seq": 1, "id": None, "surprise": 1})
    assert complaints({"type": "dance"})
