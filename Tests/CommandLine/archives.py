"""HTTP Archives and recordings, as others have written them."""

import json
import os
import tempfile

from command import run, serve
from framework import equal, expect, test


def archive(change=None):
    messages = [
        {"type": "send", "time": 1700000000.5, "opcode": 1, "data": "question"},
        {"type": "receive", "time": 1700000000.6, "opcode": 1, "data": "answer"},
    ]
    entry = {
        "_resourceType": "websocket", "_webSocketMessages": messages,
        "request": {"method": "GET", "url": "wss://example.org/chat", "httpVersion": "HTTP/1.1", "headers": []},
        "response": {"status": 101, "statusText": "Switching Protocols", "httpVersion": "HTTP/1.1", "headers": []},
        "startedDateTime": "2023-11-14T22:13:20.123Z", "time": 12.5, "timings": {"send": 0.1, "wait": 3.2, "receive": 0.4},
    }
    if change:
        change(entry)
    return json.dumps({"log": {"version": "1.2", "entries": [{"request": None}, 7, entry]}})


def message(**members):
    return lambda entry: entry["_webSocketMessages"].append({"type": "send", "time": 1700000000.7, **members})


@test
def an_archive_is_drawn_for_what_it_has():
    for change in (
        None,
        lambda entry: entry.update(time=None, timings=None, request=dict(entry["request"], headers=None, method=None)),
        lambda entry: entry["response"].update(statusText=None, status=None),
        lambda entry: entry.update(response=None),
        lambda entry: entry.update(startedDateTime=7),
        lambda entry: entry["_webSocketMessages"].append(3),
        lambda entry: entry["_webSocketMessages"][0].update(time=None),
        message(opcode=300, data="x"), message(opcode=None, data="x"), message(opcode=1, data=None),
        message(opcode="1", data="x"), message(opcode=9, data="x"), message(opcode=-1, data="an error"),
        message(opcode=2, data="no base64!"), message(opcode=1, data="x", type="sideways"),
    ):
        result = run("draw", "-", input=archive(change))
        equal(result.returncode, 0, result.stderr)
        drawing = result.stdout.decode()
        places = [drawing.find(part) for part in ("GET /chat", "101", "question", "answer")]
        expect(-1 not in places and places == sorted(places), drawing)


@test
def what_an_archive_lacks_is_told_and_not_played():
    with serve() as (server, url, port):
        for change, reason in (
            (message(opcode=2, data="no base64!"), "message 3 (sent) is omitted: it is binary, and its data is not base64"),
            (message(opcode=300, data="x"), "its opcode, 300"), (message(opcode=1, data=None), "its data is not text"),
            (message(opcode=1, data="x", type=None), "neither send nor receive"),
        ):
            result = run("draw", "-", input=archive(change))
            expect(reason in result.stderr.decode() and "0 bytes" not in result.stdout.decode(), result)
            result = run("replay", "-", "--to", url + "/echo", "--pace", "0", input=archive(change))
            equal(result.returncode, 65, result)
            expect(reason in result.stderr.decode(), result.stderr)
        # Unpadded, and of the alphabet for URLs.
        result = run("draw", "--format", "json", "-", input=archive(message(opcode=2, data="AAECCv_-")))
        expect(b'"base64":"AAECCv/+"' in result.stdout and not result.stderr, result)
        result = run("draw", "--format", "json", "-", input=archive(message(opcode=2, data="AAECCv8")))
        expect(b'"base64":"AAECCv8="' in result.stdout and not result.stderr, result)


@test
def a_message_that_is_not_whole_stays_so_in_an_archive():
    lines = [
        {"lifelineRecording": 1},
        {"t": 0, "c": 1, "by": "client", "event": "request", "direction": "sent", "method": "GET", "target": "/"},
        {"t": 1, "c": 1, "by": "client", "event": "response", "direction": "received", "status": 101},
        {"t": 2, "c": 1, "by": "client", "event": "message", "direction": "sent", "kind": "text", "size": 5, "wire": 5},
    ]
    drawn = run("draw", "--format", "har", "-", input="\n".join(map(json.dumps, lines)))
    expect(drawn.returncode == 0 and b"1 message not recorded completely" in drawn.stderr, drawn)
    result = run("replay", "-", "--to", "ws://127.0.0.1:9", input=drawn.stdout)
    expect(result.returncode == 65 and b"does not have all payloads" in result.stderr, result)


@test
def a_recording_twice_in_a_file_is_two():
    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, port):
        file = os.path.join(folder, "r.jsonl")
        run("trace", "--record", file, "--record-payloads", "whole", "--wait", "0.1", url + "/echo", input="hello\n")
        with open(file, "rb") as handle:
            once = handle.read()
        result = run("draw", "-", input=once + once)
        equal(result.returncode, 0, result.stderr)
        equal(result.stdout.count(b"GET /echo"), 2, result.stdout)
        result = run("replay", "-", "--to", url + "/echo", "--pace", "0", input=once + once)
        equal(result.returncode, 0, result.stdout)
        # A file that had grown too long goes on in the next.
        lines = once.splitlines(keepends=True)
        result = run("draw", "-", input=b"".join(lines[:6] + lines[:1] + lines[6:]))
        equal(result.stdout, run("draw", file).stdout)
