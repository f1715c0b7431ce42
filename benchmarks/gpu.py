"""Checks and times gan_jax on one accelerator, within a budget of seconds.

    pip install -e '.[benchmark]'
    python -m benchmarks.gpu [--seconds=240] [--configs=NAME,...] [--only=PART,...] \
        [--jobs=N] [--small] [--output=FILE.json]

It writes tables, and JSON to --output (by default gpu.json in the folder $OUT). Images
are random bytes of each data set's shape: no figure here depends on what they show. The
parts, each a process of its own:

- steps:CONFIG: milliseconds of a train step of gan_jax, of PyTorch (its fastest memory
  format and Adam by trial) and of PyTorch with both losses under `torch.compile`
  ("reduce-overhead"), in turns; gan_jax's with 1, 10, 100 and 1,000 steps per dispatch.
- numerics:CONFIG: relative errors |a - b| / |b| against float64 on the CPU, in float32
  with default and with highest precision of products and in bfloat16, and in float32 on
  the CPU: images, logits, both gradients, and what 20 train steps change.
- population: 1, 4 and 16 fully connected cGANs, vectorised and in turn.
- convolutions: layers with their gradients with the batch last, as in this project's
  networks, and in NHWC.
- peak: what products of large matrices reach.

All parts are prepared side by side (--jobs at a time), then timed one after the other.
What is not ready when 0.6 of the budget are over is halted while the others are timed.
Compile times are therefore upper bounds.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from unittest import mock

import numpy as np

STEP_CONFIGS = (
    "mlp_cgan_mnist",
    "dcgan_mnist",
    "cgan_mnist",
    "wgan_gp_mnist",
    "acgan_cifar",
    "vtgan_cifar",
)
NUMERICS_CONFIGS = (
    "mlp_cgan_mnist",
    "dcgan_mnist",
    "acgan_cifar",
    "vtgan_cifar",
    "wgan_gp_mnist",
)
OTHERS = ("peak", "population", "convolutions")
PREPARATION = 0.6  # of the budget
ROUNDS = 5
NUM_IMAGES = 10_000
CHECK_STEPS = 20
DISPATCHES = (1, 10, 100, 1000)
POPULATIONS = (1, 4, 16)
PRECISIONS = ("default", "highest", "bfloat16")


def main() -> None:
    arguments = parse_arguments()
    if arguments.part:
        work(arguments)
    else:
        lead(arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=240, help="budget")
    parser.add_argument("--configs", default="", help="of the steps and the numerics")
    parser.add_argument("--only", default="", help="parts, by the first word")
    jobs = max(1, (os.cpu_count() or 1) - 2)
    parser.add_argument("--jobs", type=int, default=jobs, help="prepared side by side")
    parser.add_argument("--small", action="store_true", help="for a try on a CPU")
    default = pathlib.Path(os.environ.get("OUT", ".")) / "gpu.json"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--result", type=pathlib.Path, help=argparse.SUPPRESS)
    return parser.parse_args()


# The process that leads: starts parts, lets them measure one by one, writes.


@dataclasses.dataclass
class Part:
    """A process that prepares something, and then waits for its turn to time it."""

    name: str
    folder: pathlib.Path
    process: subprocess.Popen | None = None
    seconds: float = 0.0  # of preparation
    state: str = "waiting"  # 'preparing', 'ready', 'done', 'failed'
    result: dict | None = None

    @property
    def file(self) -> pathlib.Path:
        return self.folder / f"{self.name.replace(':', '_')}.json"

    @property
    def log(self) -> pathlib.Path:
        return self.file.with_suffix(".txt")

    def start(self, small: bool) -> None:
        command = [sys.executable, "-m", "benchmarks.gpu", f"--part={self.name}"]
        command += [f"--result={self.file}"] + ["--small"] * small
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
            )
        self.state, self.started = "preparing", time.monotonic()

    def look(self) -> None:
        """Notes whether the process is ready, or has ended."""
        if self.state == "preparing" and self.file.with_suffix(".ready").exists():
            self.state = "ready"
            self.seconds = time.monotonic() - self.started
        if self.process.poll() is None:
            return
        if self.process.returncode == 0 and self.file.exists():
            self.state, self.result = "done", json.loads(self.file.read_text())
            self.result["seconds"] = self.seconds
        else:
            self.state, self.result = "failed", {"error": self.last_words()[:300]}

    def last_words(self) -> str:
        """The exception that ended the process, or else its last line."""
        lines = self.log.read_text().strip().splitlines() or ["nothing was said"]
        # JAX puts a remark about its tracebacks after the exception.
        errors = [
            line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)
        ]
        return (errors or lines)[-1]

    def measure(self, deadline: float) -> None:
        """Lets the process measure, to its end or the deadline."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(b"go\n")
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, deadline - time.monotonic()))
        self.look()

    def signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, number)


def lead(arguments: argparse.Namespace) -> None:
    start = time.monotonic()
    deadline = start + arguments.seconds - 5
    configs = tuple(filter(None, arguments.configs.split(",")))
    names = [
        "peak",
        *(f"steps:{name}" for name in configs or STEP_CONFIGS),
        *(f"numerics:{name}" for name in configs or NUMERICS_CONFIGS),
        "convolutions",
        "population",
    ]
    only = tuple(filter(None, arguments.only.split(",")))
    names = [name for name in names if not only or name.split(":")[0] in only]
    with tempfile.TemporaryDirectory() as folder:
        parts = [Part(name, pathlib.Path(folder)) for name in names]
        try:
            run_parts(parts, arguments, start, deadline)
        finally:
            for part in parts:
                part.signal(signal.SIGKILL)
            report(parts, arguments, time.monotonic() - start)


def run_parts(
    parts: list[Part], arguments: argparse.Namespace, start: float, deadline: float
) -> None:
    halt = start + PREPARATION * arguments.seconds
    while time.monotonic() < deadline:
        for part in parts:
            preparing = [part for part in parts if part.state == "preparing"]
            if part.state == "waiting" and len(preparing) < arguments.jobs:
                part.start(arguments.small)
            elif part.state in ("preparing", "ready"):
                part.look()
        pending = [part for part in parts if part.state in ("waiting", "preparing")]
        ready = [part for part in parts if part.state == "ready"]
        if not pending and not ready:
            return
        if ready and (not pending or time.monotonic() > halt):
            for part in pending:
                part.signal(signal.SIGSTOP)
            for part in ready:
                if time.monotonic() < deadline:
                    part.measure(deadline)
            for part in pending:
                part.signal(signal.SIGCONT)
        time.sleep(0.2)


def report(parts: list[Part], arguments: argparse.Namespace, seconds: float) -> None:
    results = {
        part.name: part.result or {"error": f"out of time, {part.state}"}
        for part in parts
    }
    print(format_tables(results), f"{seconds:.0f} s in all", sep="\n", flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    result = {"small": arguments.small, "seconds": seconds, "parts": results}
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def format_tables(results: dict[str, dict]) -> str:
    lines, peak = [], results.get("peak", {})
    if "versions" in peak:
        lines.append(f"{peak['device']}; {peak['versions']}")
        rates = (f"{name} {rate:.1f}" for name, rate in peak["tflops"].items())
        lines.append(f"matrix products, TFLOP/s: {', '.join(rates)}")
    lines += ["", "ms per step        batch  gan_jax    eager compiled  ratios"]
    lines[-1] += "      images/s  peak  compile s  by steps per dispatch"
    for name, row in _of(results, "steps"):
        if "error" in row:
            lines.append(f"{name:18} {row['error']}")
            continue
        medians = {
            way: 1e3 * statistics.median(values) for way, values in row["times"].items()
        }
        ours = medians["gan_jax"]
        cells = [f"{name:18} {row['batch_size']:5} {ours:8.3f}"]
        for way in ("eager", "compiled"):
            cells.append(f"{medians[way]:8.3f}" if way in medians else f"{'-':>8}")
        for way in ("eager", "compiled"):
            ratio = medians[way] / ours if way in medians else float("nan")
            cells.append(f"{ratio:5.2f}")
        cells.append(f"{row['batch_size'] / ours * 1e3:10,.0f}")
        share = float("nan")
        if "tflops" in peak and "gflop_per_step" in row:
            share = row["gflop_per_step"] / ours / peak["tflops"]["float32"]
        cells.append(f"{share:5.1%} {row['compile_seconds']:6.1f}    ")
        cells += [f"{n}: {1e3 * t:.3f}" for n, t in row["dispatches"].items()]
        lines.append(" ".join(cells))
        lines += [f"    {way}: {error}" for way, error in row["errors"].items()]
    lines += [
        "",
        "relative errors     precision      images   logits   grad D   grad G",
    ]
    lines[-1] += f"  {CHECK_STEPS} steps D  G"
    for name, row in _of(results, "numerics"):
        if "error" in row:
            lines.append(f"{name:18} {row['error']}")
            continue
        for precision, errors in row["errors"].items():
            figures = " ".join(f"{value:8.1e}" for value in errors.values())
            lines.append(f"{name:18} {precision:12} {figures}")
    lines += ["", "ms, forward and gradients   batch last     NHWC    ratio"]
    row = results.get("convolutions", {})
    if "error" in row:
        lines.append(row["error"])
    for name, times in row.get("layers", {}).items():
        last, nhwc = (1e3 * statistics.median(times[way]) for way in ("last", "nhwc"))
        lines.append(f"{name:26} {last:10.3f} {nhwc:10.3f} {last / nhwc:7.2f}")
    lines += ["", "members  way         ms per step of all   of one  compile s"]
    row = results.get("population", {})
    if "error" in row:
        lines.append(row["error"])
    for values in row.get("rows", []):
        median = 1e3 * statistics.median(values["times"])
        lines.append(
            f"{values['size']:7}  {values['way']:11} {median:16.3f} "
            f"{median / values['size']:8.3f} {values['compile_seconds']:7.1f}"
        )
    return "\n".join(lines)


def _of(results: dict[str, dict], kind: str) -> list[tuple[str, dict]]:
    return [
        (name.partition(":")[2], row)
        for name, row in results.items()
        if name.startswith(f"{kind}:")
    ]


# A part's process.


def work(arguments: argparse.Namespace) -> None:
    kind, _, config = arguments.part.partition(":")
    prepare = {
        "peak": prepare_peak,
        "steps": prepare_steps,
        "numerics": prepare_numerics,
        "reference": prepare_reference,
        "population": prepare_population,
        "convolutions": prepare_convolutions,
    }[kind]
    measure = prepare(config, arguments)
    arguments.result.with_suffix(".ready").touch()
    if kind != "reference":
        sys.stdin.readline()
    arguments.result.write_text(json.dumps(measure()))


def prepare_peak(_: str, arguments: argparse.Namespace) -> Callable[[], dict]:
    import jax
    import jax.numpy as jnp

    size = 512 if arguments.small else 8192
    programs, arrays = {}, {}
    for name in ("float32", "bfloat16"):
        key = jax.random.key(0)
        arrays[name] = jax.random.normal(key, (size, size)).astype(name)
        programs[name] = jax.jit(jnp.matmul)
        programs[name](arrays[name], arrays[name]).block_until_ready()

    def measure():
        rates = {}
        for name, program in programs.items():
            times = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                for _ in range(10):
                    product = program(arrays[name], arrays[name])
                product.block_until_ready()
                times.append((time.perf_counter() - start) / 10)
            rates[name] = 2 * size**3 / statistics.median(times) / 1e12
        from benchmarks import common

        device = jax.devices()[0].device_kind
        return {"device": device, "versions": common.versions(), "tflops": rates}

    return measure


def _load(name: str, small: bool):
    """A config, and random images of its data set's shape."""
    from benchmarks import common
    from gan_jax import build
    from gan_jax.data import Dataset

    arguments = argparse.Namespace(data_source="files", data_dir="")
    config = common.load_config(name, arguments)
    if small:
        config.batch_size = 20
    spec = build.dataset_spec(config)
    random = np.random.default_rng(0)
    number = 200 if small else NUM_IMAGES
    images = random.integers(256, size=(number, *spec.image_shape), dtype=np.uint8)
    labels = random.integers(spec.num_classes, size=number, dtype=np.int32)
    return config, Dataset(spec, images, labels, images[:100], labels[:100])


def prepare_steps(name: str, arguments: argparse.Namespace) -> Callable[[], dict]:
    from benchmarks import common

    small = arguments.small
    config, dataset = _load(name, small)
    ours, compile_seconds = common.jax_program(config, dataset)
    ours(1)
    programs, errors = {"gan_jax": ours}, {}
    row = {"batch_size": config.batch_size, "compile_seconds": compile_seconds}
    try:
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from benchmarks import mlp_cgan_step, train_steps

        if torch.cuda.is_available():
            torch.set_default_device("cuda")
            # As XLA does.
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True
        if config.generator.name == "mlp":
            adam, programs["eager"] = mlp_cgan_step.torch_program(config, dataset)
            compiled = functools.partial(
                mlp_cgan_step.torch_program_of, config, dataset, adam
            )
            row["torch"] = f"{adam} Adam"
        else:
            way, programs["eager"] = train_steps.torch_program(config, dataset)
            row["torch"] = "{}, {} Adam".format(*way)
            compiled = functools.partial(
                train_steps.torch_programs(config, dataset), *way
            )
        counter = FlopCounterMode(display=False)
        counter.mod_tracker = train_steps.NoModules()
        with counter:
            programs["eager"](1)
        row["gflop_per_step"] = counter.get_total_flops() / 1e9
    except Exception as error:
        errors["eager"] = f"{type(error).__name__}: {error}"[:300]
    else:
        try:
            start = time.perf_counter()
            program = compiled(compile_mode="reduce-overhead")
            for _ in range(4):  # records its graphs
                program(2)
            programs["compiled"] = program
            row["torch_compile_seconds"] = time.perf_counter() - start
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            errors["compiled"] = f"{type(error).__name__}: {lines[0]}"[:300]

    def measure():
        steps = {}
        for way, program in programs.items():
            program(2)
            trial = common.seconds_per_step(program, 2 if small else 20)
            steps[way] = max(1, round((0.05 if small else 0.5) / trial))
        times = {way: [] for way in programs}
        for _ in range(ROUNDS):
            for way, program in programs.items():
                times[way].append(common.seconds_per_step(program, steps[way]))
        dispatches = {}
        for number in DISPATCHES[: 2 if small else None]:
            calls = max(1, min(50, steps["gan_jax"] // number))
            start = time.perf_counter()
            for _ in range(calls):
                ours(number)
            dispatches[number] = (time.perf_counter() - start) / calls / number
        return row | {"times": times, "dispatches": dispatches, "errors": errors}

    return measure


def _quantities(name: str, small: bool, dtype: str, precision: str) -> dict:
    """What the numerics compare, as float64 arrays by name."""
    import jax
    import jax.numpy as jnp

    from gan_jax import build, training
    from gan_jax.types import Batch, PlayerState

    config, dataset = _load(name, small)
    config.batch_size = min(config.batch_size, 20 if small else 32)
    gan = build.build_gan(config, dataset.spec)
    # The same numbers everywhere: drawn in float32, then made the type asked for.
    parameters = jnp.float64 if dtype == "float64" else jnp.float32
    gan = dataclasses.replace(
        gan,
        generator=gan.generator.clone(dtype=jnp.dtype(dtype)),
        discriminator=gan.discriminator.clone(dtype=jnp.dtype(dtype)),
    )
    train_step, make_state = training.build_train_step(config, gan, num_steps=100)

    def cast(tree):
        return jax.tree.map(
            lambda leaf: (
                leaf.astype(parameters)
                if jnp.issubdtype(leaf.dtype, jnp.floating)
                else leaf
            ),
            tree,
        )

    state = cast(make_state())
    size = config.d_steps * config.batch_size
    batches = jax.tree.map(
        lambda array: array[:size].reshape(
            config.d_steps, config.batch_size, *array.shape[1:]
        ),
        Batch(jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels)),
    )
    real = jax.tree.map(lambda array: array[0], batches)
    key = jax.random.key(1)

    def forward(state):
        (_, (_, _, generated)) = gan.generator_loss(
            state.generator.params, state.generator, state.discriminator, real, key
        )
        (verdict,), _ = gan.discriminate(
            state.discriminator.variables, (generated.batch,), train=False, key=key
        )
        return generated.batch.images, verdict.logits

    def gradients(state):
        discriminator = jax.grad(gan.discriminator_loss, has_aux=True)(
            state.discriminator.params, state.discriminator, state.generator, real, key
        )
        generator = jax.grad(gan.generator_loss, has_aux=True)(
            state.generator.params, state.generator, state.discriminator, real, key
        )
        return discriminator[0], generator[0]

    def vector(tree):
        leaves = jax.device_get(jax.tree.leaves(tree))
        return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in leaves])

    with jax.default_matmul_precision(precision):
        images, logits = jax.jit(forward)(state)
        discriminator, generator = jax.jit(gradients)(state)
        step, trained = jax.jit(train_step), state
        for _ in range(2 if small else CHECK_STEPS):
            trained, _ = step(trained, batches)

    def change(player: str):
        after, before = (getattr(each, player) for each in (trained, state))
        assert isinstance(after, PlayerState)
        return vector(after.params) - vector(before.params)

    return {
        "images": vector(images),
        "logits": vector(logits),
        "discriminator_gradient": vector(discriminator),
        "generator_gradient": vector(generator),
        "discriminator_change": change("discriminator"),
        "generator_change": change("generator"),
    }


def prepare_reference(name: str, arguments: argparse.Namespace) -> Callable[[], dict]:
    """Quantities in float64, and in float32, on the CPU; to files."""
    for dtype in ("float64", "float32"):
        values = _quantities(name, arguments.small, dtype, "highest")
        np.savez(arguments.result.with_suffix(f".{dtype}.npz"), **values)
    return dict


def prepare_numerics(name: str, arguments: argparse.Namespace) -> Callable[[], dict]:
    file = arguments.result.with_name(f"reference_{name}.json")
    command = [sys.executable, "-m", "benchmarks.gpu", f"--part=reference:{name}"]
    command += [f"--result={file}"] + ["--small"] * arguments.small
    reference = subprocess.Popen(
        command, env=os.environ | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    )
    found = {}
    for way in PRECISIONS:
        dtype, precision = ("float32", way)
        if way == "bfloat16":
            dtype, precision = "bfloat16", "default"
        found[way] = _quantities(name, arguments.small, dtype, precision)
    if reference.wait():
        raise RuntimeError(f"the reference of {name} failed")
    exact = np.load(file.with_suffix(".float64.npz"))
    found["float32 CPU"] = np.load(file.with_suffix(".float32.npz"))
    errors = {
        way: {
            field: float(
                np.linalg.norm(values[field] - exact[field])
                / np.linalg.norm(exact[field])
            )
            for field in exact
        }
        for way, values in found.items()
    }
    return lambda: {"errors": errors}


def prepare_population(_: str, arguments: argparse.Namespace) -> Callable[[], dict]:
    from benchmarks import common
    from benchmarks.population import WAYS
    from gan_jax import training

    config, dataset = _load("mlp_cgan_mnist", arguments.small)
    programs, rows = {}, []
    for size in POPULATIONS[: 2 if arguments.small else None]:
        for way in WAYS if size > 1 else ("in turn",):
            config.population = size
            with mock.patch.object(training, "run_members", WAYS[way]):
                run, seconds = common.jax_program(config, dataset)
            run(1)
            programs[size, way] = run
            rows.append({"size": size, "way": way, "compile_seconds": seconds})

    def measure():
        steps = 2 if arguments.small else 500
        times = common.times_in_turns(programs, ROUNDS, steps)
        for row in rows:
            row["times"] = times[row["size"], row["way"]]
        return {"rows": rows}

    return measure


def prepare_convolutions(_: str, arguments: argparse.Namespace) -> Callable[[], dict]:
    import jax
    import jax.numpy as jnp

    from benchmarks.convolutions import LAYERS
    from gan_jax.networks import convolution

    chosen = (*LAYERS[1:6], *LAYERS[18:23])
    if arguments.small:
        chosen = [LAYERS[1]._replace(batch=4)]
    calls, programs = 2 if arguments.small else 50, {}
    for layer in chosen:
        images = jax.random.normal(
            jax.random.key(0),
            (layer.channels, layer.size, layer.size, layer.batch),
        )
        kernel = 0.05 * jax.random.normal(
            jax.random.key(1),
            (layer.kernel_size, layer.kernel_size, layer.channels, layer.features),
        )
        for way in ("last", "nhwc"):

            def apply(images, kernel, layer=layer, way=way):
                if way == "last":
                    function = (
                        convolution.conv_transpose
                        if layer.transposed
                        else convolution.conv
                    )
                    outputs = function(images, kernel, layer.strides, formulation="xla")
                elif layer.transposed:
                    strides = (layer.strides, layer.strides)
                    outputs = jax.lax.conv_transpose(images, kernel, strides, "SAME")
                else:
                    outputs = jax.lax.conv_general_dilated(
                        images,
                        kernel,
                        (layer.strides, layer.strides),
                        "SAME",
                        dimension_numbers=("NHWC", "HWIO", "NHWC"),
                    )
                return jnp.sum(jnp.square(outputs))

            @jax.jit
            def run(images, kernel, apply=apply):
                def body(_, carry):
                    gradients = jax.grad(apply, argnums=(0, 1))(*carry)
                    return jax.tree.map(
                        lambda value, gradient: value - 1e-6 * gradient,
                        carry,
                        gradients,
                    )

                return jax.lax.fori_loop(0, calls, body, (images, kernel))

            inputs = images if way == "last" else images.transpose(3, 1, 2, 0)
            jax.block_until_ready(run(inputs, kernel))
            programs[layer.name, way] = functools.partial(run, inputs, kernel)

    def measure():
        layers = {layer.name: {"last": [], "nhwc": []} for layer in chosen}
        for _ in range(ROUNDS):
            for (name, way), program in programs.items():
                start = time.perf_counter()
                jax.block_until_ready(program())
                seconds = (time.perf_counter() - start) / calls
                layers[name][way].append(seconds)
        return {"layers": layers}

    return measure


if __name__ == "__main__":
    main()
