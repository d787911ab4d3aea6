"""The switch for TF32: off unless asked for, and never silently without effect."""

from __future__ import annotations

import numpy as np
import pytest

from minialex.devices import DeviceError, allow_tf32
from tests.devices import fake_cupy


def test_tf32_is_switched_on_and_off(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_cupy.installed(1):
        import cupy  # noqa: PLC0415

        assert cupy._core.compute_types == {}, "IEEE float32 unless somebody asks"
        for on, kind in ((True, 7), (False, 1)):
            allow_tf32(on)
            assert cupy._core.compute_types == {np.float32: kind}
        monkeypatch.setattr(fake_cupy.Device, "compute_capability", "75")
        with pytest.raises(DeviceError, match=r"8\.0.*7\.5"):
            allow_tf32()
        allow_tf32(False)
        monkeypatch.delattr(fake_cupy.Core, "set_compute_type")
        with pytest.raises(DeviceError, match="CUPY_TF32"):
            allow_tf32(False)


@pytest.mark.gpu
def test_a_real_gpu_rounds_the_factors_only_when_asked() -> None:
    import cupy  # noqa: PLC0415

    if int(cupy.cuda.Device().compute_capability) < 80:
        pytest.skip("this GPU has no TF32")
    a = np.random.default_rng(0).standard_normal((512, 512), dtype=np.float32)
    exact, x = a.astype(np.float64) @ a, cupy.asarray(a)
    errors = []
    try:
        for on in (True, False):
            allow_tf32(on)
            errors.append(float(np.abs((x @ x).get() - exact).max()))
    finally:
        allow_tf32(False)
    assert errors[0] > 10 * errors[1], errors
