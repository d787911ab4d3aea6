"""The doctor on machines it has never seen: each is faked from outside (modules, metadata, nvidia-smi)."""

import re
import subprocess
import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import minialex.__main__ as command_line
from minialex import doctor
from minialex.doctor import devices, gpu, host, products
from minialex.doctor.findings import Finding, as_text, error_line, verdict

# --- fakes -----------------------------------------------------------------------------------------------------------

BANNER = "| NVIDIA-SMI {driver}       {kernel} Version: {driver}       {user} Version: {cuda}     |\n"


def old_banner(cuda="12.4", driver="550.54.15"):
    return BANNER.format(driver=driver, kernel="Driver", user="CUDA", cuda=cuda)


def new_banner(cuda="13.3", driver="610.43.02"):
    return BANNER.format(driver=driver, kernel="KMD", user="CUDA UMD", cuda=cuda)


@pytest.fixture
def nvidia_smi(monkeypatch):
    """Puts an nvidia-smi on the path that answers with a banner and the rows of its query; or takes it away (None)."""

    def put(banner=None, rows="", returncode=0, hangs=False):
        def run(command, *, timeout, **_):
            assert timeout < 60  # the doctor never waits for ever
            if hangs:
                raise subprocess.TimeoutExpired(command, timeout)
            return SimpleNamespace(
                returncode=returncode, stdout=rows if "--format=csv,noheader" in command else banner, stderr=""
            )

        monkeypatch.setattr(gpu.shutil, "which", lambda name: None if banner is None else f"/usr/bin/{name}")
        monkeypatch.setattr(gpu.subprocess, "run", run)

    put()
    return put


@pytest.fixture
def wheels(monkeypatch):
    """The CuPy packages that pip would list."""

    def put(*names):
        packages = [SimpleNamespace(metadata={"Name": name}, version="14.2.0") for name in (*names, "numpy", "cupyx-tools")]
        monkeypatch.setattr(gpu.importlib.metadata, "distributions", lambda: packages)

    put()
    return put


class FakeDevice:
    def __init__(self, index, ill):
        self.index, self.ill = index, ill

    def __enter__(self):
        if self.index in self.ill:
            raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access\nwas encountered")

    def __exit__(self, *_):
        pass


@pytest.fixture
def cupy(monkeypatch, wheels):
    """Puts a CuPy with `count` GPUs in place of the real one: `reach` holds the pairs with peer access, `ill` the broken."""

    def put(count, reach=(), ill=(), error=None, wrong=0.0):
        def device_count():
            if error is not None:
                raise RuntimeError(error)
            return count

        fake = ModuleType("cupy")
        fake.__version__ = "14.2.0"
        fake.arange = lambda *arguments, **named: np.arange(*arguments, **named) + np.float32(wrong)
        fake.cuda = SimpleNamespace(
            Device=lambda index: FakeDevice(index, ill),
            nvrtc=SimpleNamespace(getVersion=lambda: (12, 9)),
            runtime=SimpleNamespace(
                getDeviceCount=device_count,
                runtimeGetVersion=lambda: 12090,
                driverGetVersion=lambda: 12040,
                getDeviceProperties=lambda index: {"name": b"NVIDIA Test %d" % index, "major": 9, "minor": 0},
                memGetInfo=lambda: (70 * 2**30, 80 * 2**30),
                deviceCanAccessPeer=lambda a, b: int((a, b) in reach),
            ),
        )
        monkeypatch.setitem(sys.modules, "cupy", fake)
        wheels("cupy-cuda12x")

    return put


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)


def found(probe):
    """The findings of a probe as a dict of topic to the last finding on it."""
    return {finding.topic: finding for finding in probe()}


def levels(findings):
    return {topic: finding.level for topic, finding in findings.items()}


# --- no GPU ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nvidia_smi", "wheels", "no_cupy")
def test_a_machine_without_gpu_is_well():
    findings = found(gpu.gpus_and_cupy)
    assert set(levels(findings).values()) == {"ok"}
    assert "no NVIDIA driver" in findings["driver"].text
    assert "GPUs: none; two virtual CPU devices will be used" in findings["CuPy"].text


@pytest.mark.usefixtures("nvidia_smi")
def test_cupy_on_a_machine_without_gpu_is_well(cupy):
    cupy(0, error="cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    findings = found(gpu.gpus_and_cupy)
    assert set(levels(findings).values()) == {"ok"}
    assert re.search("none.*InsufficientDriver.*two virtual CPU devices", findings["GPUs"].text)


@pytest.mark.usefixtures("wheels", "no_cupy")
@pytest.mark.parametrize(
    ("banner", "rows", "advice"),
    [
        (
            old_banner("12.4"),
            "NVIDIA A100, 8.0\n",
            'pip install "minialex[cuda12]" (from a clone: pip install -e ".[cuda12]")',
        ),
        (old_banner("13.0"), "NVIDIA H200, 9.0\n", 'pip install "minialex[cuda13]" (from a clone: pip install -e ".[cuda13]")'),
        (new_banner("13.3"), "NVIDIA H200, 9.0\n", 'pip install "minialex[cuda13]"'),
        (new_banner("13.3"), "Tesla V100, 7.0\n", 'pip install "minialex[cuda12]"'),  # CUDA 13 does not compile for it
        (old_banner("11.4"), "Tesla K80\n", "update the NVIDIA driver"),
    ],
)
def test_a_gpu_without_cupy_gets_the_pip_command(nvidia_smi, banner, rows, advice):
    nvidia_smi(banner, rows)
    findings = found(gpu.gpus_and_cupy)
    assert findings["CuPy"].level == "note"
    assert advice in findings["CuPy"].advice
    assert "1 GPU(s)" in findings["driver"].text


def test_the_banner_of_both_driver_generations_is_read(nvidia_smi):
    nvidia_smi(old_banner(), "NVIDIA H200, 9.0\nTesla K80, [N/A]\n")
    assert gpu.ask_driver() == gpu.Driver("550.54.15", (12, 4), (("NVIDIA H200", 9.0), ("Tesla K80", None)))
    nvidia_smi(new_banner(), "NVIDIA H200, 9.0\n")
    assert gpu.ask_driver() == gpu.Driver("610.43.02", (13, 3), (("NVIDIA H200", 9.0),))
    nvidia_smi("something else altogether", "")
    assert gpu.ask_driver() == gpu.Driver("of unknown version")


@pytest.mark.usefixtures("wheels", "no_cupy")
def test_an_nvidia_smi_that_fails_or_hangs_is_a_warning(nvidia_smi):
    nvidia_smi("Failed to initialize NVML: Driver/library version mismatch", returncode=18)
    finding = found(gpu.gpus_and_cupy)["driver"]
    assert finding.level == "warn"
    assert "version mismatch" in finding.text
    nvidia_smi("", hangs=True)
    assert found(gpu.gpus_and_cupy)["driver"].level == "warn"


# --- GPUs ------------------------------------------------------------------------------------------------------------


def test_one_gpu(nvidia_smi, cupy):
    nvidia_smi(old_banner(), "NVIDIA Test 0, 9.0\n")
    cupy(1)
    findings = found(gpu.gpus_and_cupy)
    assert levels(findings) == {"driver": "ok", "CuPy": "ok", "GPU 0": "ok"}
    assert findings["GPU 0"].text == "NVIDIA Test 0, compute capability 9.0, 70.0 of 80.0 GiB free; computes"
    assert findings["driver"].text == "550.54.15, runs CUDA up to 12.4; 1 GPU(s): NVIDIA Test 0"
    for part in ("14.2.0 from cupy-cuda12x", "CUDA: runtime 12.9", "driver 12.4", "(NVRTC) 12.9"):
        assert part in findings["CuPy"].text


@pytest.mark.parametrize(
    ("reach", "level", "text"),
    [
        ({(0, 1), (1, 0)}, "ok", "0-1: each reaches"),
        ({(1, 0)}, "note", "0-1: only one reaches"),
        ((), "note", "0-1: neither reaches the other's memory: copies go by way of the host"),
    ],
)
def test_two_gpus_and_what_they_reach(nvidia_smi, cupy, reach, level, text):
    nvidia_smi(old_banner(), "NVIDIA Test 0, 9.0\nNVIDIA Test 1, 9.0\n")
    cupy(2, reach)
    findings = found(gpu.gpus_and_cupy)
    assert (findings["GPU 0"].level, findings["GPU 1"].level, findings["GPU pairs"].level) == ("ok", "ok", level)
    assert findings["GPU pairs"].text.startswith(text)


@pytest.mark.usefixtures("nvidia_smi")
def test_pairs_of_many_gpus_are_grouped(cupy):
    cupy(4, {(0, 1), (1, 0), (2, 3), (3, 2)})
    lines = found(gpu.gpus_and_cupy)["GPU pairs"].text.splitlines()
    assert [line.split(":")[0] for line in lines] == ["0-1, 2-3", "0-2, 0-3, 1-2, 1-3"]


def test_a_gpu_that_fails_is_broken_and_the_other_is_still_looked_at(nvidia_smi, cupy):
    nvidia_smi(old_banner(), "NVIDIA Test 0, 9.0\nNVIDIA Test 1, 9.0\n")
    cupy(2, ill={0})
    findings = found(gpu.gpus_and_cupy)
    assert (findings["GPU 0"].level, findings["GPU 1"].level) == ("broken", "ok")
    assert "cannot compute: RuntimeError: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access" in findings["GPU 0"].text
    assert "--devices cpu,cpu" in findings["GPU 0"].advice


@pytest.mark.usefixtures("nvidia_smi")
def test_a_gpu_that_computes_wrongly_is_broken(cupy):
    cupy(1, wrong=1.0)
    assert found(gpu.gpus_and_cupy)["GPU 0"].level == "broken"


def test_a_driver_too_old_for_the_package_is_broken(nvidia_smi, cupy, wheels, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # it is not this that hides the GPU
    nvidia_smi(old_banner("12.4"), "NVIDIA H200, 9.0\n")
    cupy(0, error="cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    wheels("cupy-cuda13x")
    finding = found(gpu.gpus_and_cupy)["GPUs"]
    assert finding.level == "broken"
    assert finding.advice.startswith('pip uninstall -y cupy-cuda13x, then pip install "minialex[cuda12]"')


def test_hidden_gpus_are_a_warning(nvidia_smi, cupy, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    nvidia_smi(old_banner(), "NVIDIA H200, 9.0\n")
    cupy(0, error="cudaErrorNoDevice: no CUDA-capable device is detected")
    finding = found(gpu.gpus_and_cupy)["GPUs"]
    assert (finding.level, finding.advice) == ("warn", "unset CUDA_VISIBLE_DEVICES")


def test_two_cupy_packages_are_broken(nvidia_smi, cupy, wheels):
    nvidia_smi(old_banner(), "NVIDIA Test 0, 9.0\n")
    cupy(1)
    wheels("cupy_cuda11x", "cupy-cuda12x")
    finding = next(finding for finding in gpu.gpus_and_cupy() if finding.topic == "CuPy")
    assert finding.level == "broken"
    assert finding.text.endswith("cupy-cuda11x 14.2.0, cupy-cuda12x 14.2.0")
    assert finding.advice.startswith('pip uninstall -y cupy-cuda11x cupy-cuda12x, then pip install "minialex[cuda12]"')


def test_a_cupy_whose_import_fails_is_broken(nvidia_smi, wheels, tmp_path, monkeypatch):
    package = tmp_path / "cupy"
    package.mkdir()
    (package / "__init__.py").write_text(
        "try:\n    raise ImportError('libcudart.so.12: cannot open')\n"
        "except ImportError as missing:\n    raise ImportError('=====\\nFailed to import CuPy.') from missing\n"
    )
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    wheels("cupy-cuda12x")
    finding = found(gpu.gpus_and_cupy)["CuPy"]
    assert finding.level == "broken"
    assert finding.text == "installed, but its import fails: ImportError: libcudart.so.12: cannot open"
    assert finding.advice == "pip uninstall -y cupy-cuda12x"
    nvidia_smi(old_banner(), "NVIDIA H200, 9.0\n")
    finding = found(gpu.gpus_and_cupy)["CuPy"]
    assert finding.advice.startswith('pip uninstall -y cupy-cuda12x, then pip install "minialex[cuda12]"')


@pytest.mark.usefixtures("nvidia_smi", "no_cupy")
def test_a_cupy_package_without_its_module_is_broken(wheels):
    wheels("cupy-cuda12x")
    assert found(gpu.gpus_and_cupy)["CuPy"].level == "broken"


# --- NumPy, BLAS, packages -------------------------------------------------------------------------------------------


def test_the_host_is_described(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MY_SECRET", "CUDA_")
    findings = found(host.machine) | found(host.numpy_itself)
    assert sys.executable in findings["Python"].text
    assert "CPU" in findings["system"].text
    assert "OMP_NUM_THREADS=3" in findings["environment"].text
    assert "MY_SECRET" not in findings["environment"].text
    assert np.__version__ in findings["NumPy"].text


def test_blas_is_described_and_a_forced_core_type_is_a_warning(monkeypatch):
    library = {
        "user_api": "blas",
        "internal_api": "openblas",
        "num_threads": 8,
        "threading_layer": "pthreads",
        "filepath": "/somewhere/libopenblas.so",
        "version": "0.3.31",
        "architecture": "Zen",
    }
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [library, {"user_api": "openmp"}])
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    text = "openblas 0.3.31, 8 threads (pthreads), libopenblas.so\nkernels for Zen"
    assert list(host.blas()) == [Finding("BLAS", text)]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    *_, finding = host.blas()
    assert (finding.level, finding.advice) == ("warn", "unset OPENBLAS_CORETYPE")


def test_a_blas_that_threadpoolctl_does_not_know_is_a_note(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", list)
    assert found(host.blas)["BLAS"].level == "note"


def test_a_missing_package_is_broken(monkeypatch):
    required = ["numpy>=2.0", "no-such-package>=1", 'cupy-cuda12x[ctk]>=14; extra == "cuda12"']
    monkeypatch.setattr(host.importlib.metadata, "requires", lambda _: required)
    *_, finding = host.packages()
    assert (finding.level, finding.advice) == ("broken", "pip install no-such-package")


# --- products --------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Small shapes and no time: each caller goes round twice."""
    monkeypatch.setattr(products, "SHAPES", {"tall": (512, 4, 2), "conv2": (90, 60, 16)})
    monkeypatch.setattr(products, "SECONDS", 0.0)


def spoil(y):
    y[len(y) // 2 :] = y[: len(y) - len(y) // 2]
    return y


@pytest.mark.usefixtures("quick")
def test_products_of_two_threads_are_tried_and_right():
    tried, wrong = products.race(1)
    assert wrong == []
    assert tried == 2 * 2 * 3 * 2 * 2  # shapes, dtypes, kinds, callers, rounds


@pytest.mark.parametrize("kind", ["NN", "NT", "TN"])
def test_the_operands_have_the_memory_order_of_their_kind(kind):
    a, b = products.variants((8, 5, 3), np.float32)[kind]
    assert a.flags.f_contiguous == (kind[0] == "T")
    assert b.flags.f_contiguous == (kind[1] == "T")
    assert a.dtype == b.dtype == np.float32


@pytest.mark.usefixtures("quick")
def test_products_wrong_only_in_another_thread_are_seen(monkeypatch):
    def matmul(a, b):
        y = a @ b
        wrong = threading.current_thread() is not threading.main_thread() and a.flags.f_contiguous and a.dtype == np.float64
        return spoil(y) if wrong else y

    monkeypatch.setattr(products, "matmul", matmul)
    assert products.race(1)[1] == ["tall float64 TN", "conv2 float64 TN"]
    first = next(products.concurrent_products())
    assert first.level == "broken"
    assert "WRONG" in first.text


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("spoiler", [spoil, lambda y: y * np.nan])
def test_a_blas_wrong_in_every_thread_is_seen_too(monkeypatch, spoiler):
    monkeypatch.setattr(products, "matmul", lambda a, b: spoiler(a @ b))
    assert "tall float32 NN from one thread alone" in products.race(1)[1]


def test_wrong_only_with_threads_of_blas_is_a_warning_that_clears_minialex(monkeypatch):
    monkeypatch.setattr(products, "blas_threads", lambda: 4)
    monkeypatch.setattr(products, "race", lambda threads: (7, ["tall float32 NN"] if threads == 4 else []))
    first, second = products.concurrent_products()
    assert (first.level, second.level) == ("ok", "warn")
    assert "minialex is not affected" in second.text


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("0.3.31.188.0", "note"),
        ("0.3.33", "note"),
        ("0.3.33.50", "note"),
        ("0.3.33.112", "ok"),
        ("0.3.33.112.0", "ok"),
        ("0.3.34", "ok"),
        (None, "ok"),
    ],
)
def test_a_suspect_openblas_is_noted_even_when_nothing_was_seen(monkeypatch, version, level):
    library = {"user_api": "blas", "internal_api": "openblas", "version": version, "num_threads": 4}
    monkeypatch.setattr(products, "threadpool_info", lambda: [library])
    monkeypatch.setattr(products, "race", lambda threads: (7, []))
    assert [finding.level for finding in products.concurrent_products()] == ["ok", level]


def test_a_blas_without_threads_of_its_own_is_tried_once(monkeypatch):
    monkeypatch.setattr(products, "threadpool_info", list)
    monkeypatch.setattr(products, "race", lambda threads: (7, []))
    assert len(list(products.concurrent_products())) == 1


@pytest.mark.usefixtures("quick")
def test_speed_is_a_figure():
    (finding,) = products.speed(0.0)
    assert re.search(r"\d+ GFLOP/s from one thread, \d+ from two", finding.text)


# --- devices ---------------------------------------------------------------------------------------------------------


def test_the_automatic_devices_and_why(monkeypatch):
    monkeypatch.setattr(devices, "choose", lambda: ("0,1", "2 GPUs: one for each tower"))
    monkeypatch.setattr(devices, "parse_devices", lambda _: (SimpleNamespace(name="cuda:0"), SimpleNamespace(name="cuda:1")))
    (finding,) = devices.automatic()
    assert finding == Finding("--devices", "auto means 0,1: the towers on cuda:0 and cuda:1\n(2 GPUs: one for each tower)")


def test_automatic_devices_that_fail_are_broken(monkeypatch):
    def parse(_):
        raise devices.DeviceError("cuda:0 does not answer")

    monkeypatch.setattr(devices, "parse_devices", parse)
    (finding,) = devices.automatic()
    assert finding.level == "broken"
    assert "cuda:0 does not answer" in finding.text


# --- the report and the command line ---------------------------------------------------------------------------------


def one(*findings):
    return (("one", lambda: iter(findings), "warn"),)


def failing():
    yield Finding("first", "was seen")
    raise LookupError("the first line\nthe second line")


def test_a_probe_that_raises_is_a_finding_and_ends_nothing():
    probes = [("ill", failing, "broken"), ("well", lambda: iter([Finding("well", "fine")]), "warn")]
    first, second, third = doctor.examine(probes)
    assert (first.topic, third.topic) == ("first", "well")
    assert second == Finding("ill", "this check itself failed: LookupError: the first line", "broken", "please report it")


def test_a_probe_that_lacks_a_package_says_which(monkeypatch):
    monkeypatch.delitem(sys.modules, "minialex.doctor.products")
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    (finding,) = doctor.examine([("products", doctor.needs_packages("products", "speed"), "broken")])
    assert finding.level == "broken"
    assert "threadpoolctl" in finding.text


@pytest.mark.parametrize(
    ("level", "code", "last"),
    [
        ("ok", 0, "all is well"),
        ("note", 0, "all is well"),
        ("warn", 0, "all is well, with 1 warning above (topic)"),
        ("broken", 1, "1 problem: topic: do this"),
    ],
)
def test_the_exit_code_and_the_last_line(capsys, level, code, last):
    assert doctor.main(one(Finding("topic", "text", level, "do this"))) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_several_problems_are_counted():
    broken = [Finding(topic, "text", "broken", "mend it") for topic in "bc"]
    findings = [Finding("a", "one\nmore", "broken"), *broken, Finding("d", "slow", "warn")]
    assert verdict(findings) == "3 problems: a: one; b, c: mend it"


def test_the_report_is_aligned_and_breaks_no_command():
    text = as_text(Finding("topic", "word " * 40 + "\nsecond", "warn", 'pip install "minialex[cuda12]" ' * 4))
    lines = text.splitlines()
    assert lines[0].startswith("warn    topic         word")
    assert all(line.startswith(" " * 22) for line in lines[1:])
    assert max(map(len, lines)) <= 100
    assert 'minialex[cuda12]"' in text


def test_an_error_is_told_by_its_first_line_that_says_something():
    assert error_line(ValueError("\n=====\nwhat went wrong\nmore")) == "ValueError: what went wrong"
    assert error_line(KeyError()) == "KeyError"


@pytest.mark.usefixtures("quick")
def test_the_whole_report_on_this_machine(capsys):
    code = command_line.main(["doctor"])
    out = capsys.readouterr().out
    for topic in (
        "minialex",
        "Python",
        "system",
        "packages",
        "NumPy",
        "BLAS",
        "driver",
        "CuPy",
        "products",
        "speed",
        "--devices",
    ):
        assert re.search(rf"^.{{8}}{topic}\b", out, re.MULTILINE), topic
    assert "Traceback" not in out
    assert "this check itself failed" not in out
    assert code == int("\nBROKEN" in out)


def test_no_command_prints_the_help(capsys):
    assert command_line.main([]) == 0
    assert "doctor" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["doctr"], ["doctor", "--fast"]])
def test_a_wrong_command_is_one_line_and_exit_2(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert arguments[-1] in printed.err


def test_ctrl_c_ends_without_a_traceback(monkeypatch, capsys):
    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "main", stopped)
    assert command_line.main(["doctor"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_importing_minialex_brings_neither_doctor_nor_cupy():
    code = "import sys, minialex; print([name for name in sys.modules if name.startswith(('minialex.doctor', 'cupy'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
