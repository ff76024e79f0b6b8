"""Maps of what counts in a picture, by PyTorch: writes explain.json. Run: python3 golden/make_explain.py"""

import json
import os

import torch

import formula
import networks
from samples import samples

torch.set_num_threads(2)
here = os.path.dirname(os.path.abspath(__file__))
SIDE, CLASSES, TARGET = 32, 10, 3


def network(name):
    model = networks.build(name, CLASSES)
    formula.fill(model)
    return model.double().eval()


def grad_cam(model, image, stage):
    """Written from the paper (arXiv 1610.02391, equations 1 and 2), without the last ReLU; and enlarged to the picture."""
    kept = {}

    def keep(_module, _inputs, output):
        output.retain_grad()
        kept["activity"] = output

    hook = getattr(model, f"layer{stage}").register_forward_hook(keep)
    model(image)[0, TARGET].backward()
    hook.remove()
    activity, gradient = kept["activity"].detach(), kept["activity"].grad
    heat = (gradient.mean(dim=(2, 3), keepdim=True) * activity).sum(dim=1, keepdim=True)
    enlarged = torch.nn.functional.interpolate(heat, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return {"stage": stage, "heat": samples(heat.numpy(), 64), "enlarged": samples(enlarged.numpy(), 64)}


def integrated_gradients(model, image, steps):
    total = torch.zeros_like(image)
    for step in range(steps):
        x = (image * ((step + 0.5) / steps)).requires_grad_()
        model(x)[0, TARGET].backward()
        total += x.grad / steps
    return {"steps": steps, "heat": samples((total * image).sum(dim=1).numpy(), 64)}


def occlusion(model, image, patch, stride):
    sums, counts = torch.zeros(SIDE, SIDE).double(), torch.zeros(SIDE, SIDE)
    starts = list(range(0, SIDE - patch, stride)) + [SIDE - patch]
    with torch.no_grad():
        whole = model(image)[0, TARGET]
        for y in starts:
            for x in starts:
                covered = image.clone()
                covered[:, :, y:y + patch, x:x + patch] = 0
                sums[y:y + patch, x:x + patch] += whole - model(covered)[0, TARGET]
                counts[y:y + patch, x:x + patch] += 1
    return {"patch": patch, "stride": stride, "heat": samples((sums / counts).numpy(), 64)}


def explained(name, stages):
    model = network(name)
    image = torch.from_numpy(formula.pictures(1, SIDE, 0)).double()
    return {"model": name, "imageSize": SIDE, "classes": CLASSES, "target": TARGET,
            "gradCam": [grad_cam(model, image, stage) for stage in stages],
            "integratedGradients": integrated_gradients(model, image, 6), "occlusion": occlusion(model, image, 8, 5)}


with open(os.path.join(here, "explain.json"), "w") as file:
    json.dump([explained("se-resnet-20", (1, 2, 3)), explained("se-resnet-18-d", (3,))], file, indent=1)
    file.write("\n")
