"""What formulas leave open, by hardware and family of models: priors, until the ledger has learned better."""

from dataclasses import dataclass

from millrace.contracts.measurement import Hardware, Precision


@dataclass(frozen=True)
class Coefficients:
    """Shares of a data sheet's peaks that training reaches, and what it takes beside them.

    ``unfused`` is the share of the element-wise traffic that compilers leave. ``overlapped`` is the share of the
    gradients' exchange that goes on behind the backward pass. ``kernel_seconds`` is what the host takes for a kernel,
    ``optimiser_bytes`` what is moved for a parameter and step. ``kept_overhead`` and ``parameter_bytes`` are the
    memory's: over the activations that are kept, and a parameter's weight, gradient, moments and copies. The last three
    are ratios of P90 to P50.
    """

    products: float
    memory: float
    unfused: float
    overlapped: float
    kernel_seconds: float
    optimiser_bytes: float
    kept_overhead: float
    parameter_bytes: float
    workspace_bytes: float
    seconds_p90: float = 1.6
    memory_p90: float = 1.4
    joules_p90: float = 1.6

    def of_peak(self, precision: Precision) -> float:
        """The share of the peak by precision: narrower units starve sooner, plain ones hardly."""
        return min(1.0, self.products * {"float32": 1.5, "float8": 0.8}.get(precision, 1.0))


# GPU: products and unfused traffic are such that BERT-large in float16 trains on an A100 at what NVIDIA's TensorFlow 2
# scripts publish (DeepLearningExamples: 3,799 sequences a second on eight at length 128, 650 at 512); what has no
# source beside it is assumed.
GPU = Coefficients(
    products=0.5,
    memory=0.8,
    unfused=0.5,
    overlapped=0.5,
    # BERT's requests of one row on a V100, TensorFlow 2 (the same scripts): 9.5 ms for 650 kernels, 4.2 ms for 324
    kernel_seconds=13e-6,
    # clipping and AdamW, not fused: between 6 and 12 rows, 3 and 8 rows a step, BERT-large on a V100 has 51 and 55 ms
    # that do not grow with the rows (the same scripts)
    optimiser_bytes=100,
    # the batches that are said to fit, and not to, on V100 and A100 (the same scripts)
    kept_overhead=1.55,
    # float32 weight and gradient, two moments, and a copy of weight and gradient while gradients are clipped
    parameter_bytes=22,
    workspace_bytes=0.3e9,
    seconds_p90=1.35,
    memory_p90=1.2,
    joules_p90=1.35,
)

# CPU: the catalogue's figure is sustained already, and was fitted with most element-wise work in it (calibration.py). A
# tenth of that work and ten microseconds a kernel are assumed, so that runs can tell them apart and teach more.
CPU = Coefficients(
    products=1 / 1.5,
    memory=1.0,
    unfused=0.1,
    overlapped=0.0,
    kernel_seconds=1e-5,
    # weight, gradient and two moments read, weight and moments written
    optimiser_bytes=28,
    kept_overhead=1.6,
    parameter_bytes=39,
    workspace_bytes=0.0,
)


def prior(hardware: Hardware) -> Coefficients:
    """The coefficients that nothing has been learned for."""
    return CPU if hardware.device is None else GPU
