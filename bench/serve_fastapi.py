"""The usual FastAPI server around a PyTorch network: what `senet serve` is held against (bench/serve.ts).

What it serves is said in the environment (BENCH_SETTINGS, JSON), because each of uvicorn's processes imports this file anew.
"""

import io
import json
import os
import sys
from pathlib import Path

import numpy
import torch
import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image

sys.path.append(str(Path(__file__).parent.parent / "golden"))
from networks import build  # noqa: E402

SETTINGS = json.loads(os.environ["BENCH_SETTINGS"])
SIZE = SETTINGS["size"]
torch.set_num_threads(SETTINGS["threads"])
network = build(SETTINGS["model"], 1000).eval()
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
app = FastAPI()


def prepared(data):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = SIZE * 8 / 7 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    image = image.crop((left, top, left + SIZE, top + SIZE))
    pixels = torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1).float() / 255
    return ((pixels - MEAN) / STD)[None]


@app.get("/v2/health/ready")
async def ready():
    return {"ready": True}


# Not async: FastAPI runs it on a thread of its pool, as its documentation advises for work that computes.
@app.post("/v1/classify")
def classify(picture: UploadFile = File()):
    with torch.inference_mode():
        probabilities = network(prepared(picture.file.read())).softmax(1)[0]
    values, indices = probabilities.topk(5)
    return {"predictions": [{"index": i, "probability": p} for i, p in zip(indices.tolist(), values.tolist())]}


if __name__ == "__main__":
    where = {"port": SETTINGS["port"], "app_dir": str(Path(__file__).parent)}
    uvicorn.run("serve_fastapi:app", workers=SETTINGS["processes"], log_level="warning", **where)
