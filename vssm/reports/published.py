"""Figures that others have published on the data sets, to be set beside ours."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A published figure; remark: what to know when it is compared with ours; bound: whether it is a bound."""

    name: str
    value: float
    remark: str = ""
    bound: bool = False


class Literature(NamedTuple):
    """Published figures on a data set, and what to know about them: likelihoods in its unit, pictures per second at the
    best batch size, and seconds for a single picture."""

    likelihoods: tuple[Published, ...]
    about_likelihoods: str
    speeds: tuple[Published, ...]
    about_speeds: str
    seconds: tuple[Published, ...] = ()


SECOND = "as quoted in later papers"
LITERATURE = {
    "mnist": Literature(
        likelihoods=(
            Published("NADE", 88.33),
            Published("EoNADE", 84.68),
            Published("DARN", 84.13),
            Published("IWAE", 82.90, "dynamic binarisation", True),
            Published("Ladder VAE", 81.74, "dynamic binarisation", True),
            Published("PixelCNN", 81.30),
            Published("Discrete VAE", 81.01),
            Published("DRAW", 80.97, "", True),
            Published("PixelVAE", 80.64, "", True),
            Published("Gated PixelCNN", 80.10),
            Published("IAF-VAE", 79.88, SECOND),
            Published("PixelRNN", 79.20),
            Published("VLAE", 79.03, SECOND),
            Published("Gated PixelVAE", 79.02),
            Published("NVAE", 78.01, SECOND),
        ),
        about_likelihoods="Nats an image on binarised MNIST, ours in bold. Published figures are on the static "
        "binarised set unless said; ours is a fixed binarisation of the same test images drawn from our own seed, "
        "after training on fresh binarisations. Sizes and computing time differ by orders of magnitude.",
        speeds=(
            Published("Softmax Transformer", 0.45, "GPU"),
            Published("Softmax Transformer, key/value cache", 7.56, "GPU"),
            Published("Linear Transformer", 142.8, "GPU"),
        ),
        about_speeds="Pictures a second at the best batch size, and seconds for one picture alone, MNIST at 784 "
        "pixels. The published ones were measured by others on other machines (GPUs, and a CPU for single pictures; "
        "Katharopoulos et al., 2006.16236, as quoted in later papers): ratios across rows mean little.",
        seconds=(
            Published("Softmax Transformer", 72.6, "CPU"),
            Published("Softmax Transformer, key/value cache", 7.4, "CPU"),
            Published("Linear Transformer", 5.5, "CPU"),
        ),
    ),
    "cifar10": Literature(
        likelihoods=(
            Published("Softmax Transformer", 3.47, SECOND),
            Published("Linear Transformer", 3.40, SECOND),
            Published("PixelCNN", 3.14),
            Published("IAF-VAE", 3.11, "", True),
            Published("Gated PixelCNN", 3.03),
            Published("Row PixelRNN", 3.00),
            Published("PixelCNN++", 2.92),
            Published("S4, smaller", 2.92),
            Published("NVAE", 2.91, "", True),
            Published("Image Transformer", 2.90),
            Published("VDVAE", 2.86, "39 M parameters", True),
            Published("S4, larger", 2.85),
            Published("Sparse Transformer", 2.80),
        ),
        about_likelihoods="Bits a dimension (8-bit RGB, 3,072 dimensions) on the CIFAR-10 test images, ours in bold. "
        "Sizes and computing time differ by orders of magnitude.",
        speeds=(
            Published("Softmax Transformer", 0.004, "GPU"),
            Published("Softmax Transformer, key/value cache", 0.32, "GPU"),
            Published("Linear Transformer", 17.85, "GPU"),
            Published("PixelCNN++, cached", 19.19, SECOND),
            Published("S4", 20.84, "A100, largest batch"),
        ),
        about_speeds="Pictures a second at the best batch size, CIFAR-10 at 1,024 pixels. The published ones were "
        "measured by others on other machines, as quoted in later papers: ratios across rows mean little.",
    ),
}
