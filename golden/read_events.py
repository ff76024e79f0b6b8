"""Makes events.json: what TensorBoard's own reader sees in an event file of ours.

    python3 -m venv /tmp/tensorboard && /tmp/tensorboard/bin/pip install tensorboard==2.21.0
    /tmp/tensorboard/bin/python golden/read_events.py FILE golden/events.json

The test in src/train/events.test.ts writes the file anew and compares its bytes with those that were read here.
"""

import base64
import json
import pathlib
import sys

from tensorboard.backend.event_processing import event_accumulator, event_file_loader
from tensorboard.compat.proto import event_pb2
from tensorboard.util import tensor_util

source, target = map(pathlib.Path, sys.argv[1:3])


def value_of(value):
    # The loader turns simple values into tensors.
    return tensor_util.make_ndarray(value.tensor).item() if value.HasField("tensor") else value.simple_value


def shown(event):
    found = {"time": event.wall_time, "step": event.step}
    if event.HasField("file_version"):
        found["version"] = event.file_version
    if event.HasField("session_log"):
        found["session"] = event_pb2.SessionLog.SessionStatus.Name(event.session_log.status)
    if event.HasField("summary"):
        found["scalars"] = {value.tag: value_of(value) for value in event.summary.value}
    return found


events = [shown(event) for event in event_file_loader.EventFileLoader(str(source)).Load()]

# As the application itself: it finds every chart, and each has all epochs.
charts = event_accumulator.EventAccumulator(str(source)).Reload()
points = {tag: len(charts.Scalars(tag)) for tag in charts.Tags()["scalars"]}
wanted = {tag: sum(tag in event.get("scalars", {}) for event in events) for event in events for tag in event.get("scalars", {})}
assert points == wanted and points, (points, wanted)

bytes_read = base64.b64encode(source.read_bytes()).decode()
target.write_text(json.dumps({"file": bytes_read, "events": events}, indent=1) + "\n")
