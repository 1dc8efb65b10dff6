"""torchvision's data sets, also beside a torch its compiled part was not built for.

Where pip finds a CPU build of torch, the packaged torchvision (built against CUDA) fails to import for want of two
operators. Declaring their schemas first is enough for data sets, utils and transforms; it is done only then.
"""

import torch

try:
    from torchvision import datasets
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    import sys

    for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _operator in ("nms", "qnms"):
        _library.define(f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import datasets

__all__ = ["datasets"]
