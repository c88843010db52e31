"""Training: killed and resumed to the same bits, averaged and scheduled as stated."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from textsr.config.params import Params
from textsr.datasets.pairs import Batch, PairBatches, shuffled_pairs
from textsr.errors import TextsrError
from textsr.models.bicubic import bicubic
from textsr.models.ctc_head import CTCHead
from textsr.models.package import ModelSpec, build_network
from textsr.models.recognizer import Recognizer
from textsr.training.curves import read_curves, write_curves
from textsr.training.fitting import fit, forget_checkpoints
from textsr.training.objective import SuperResolution
from textsr.training.run import plan_training, run_training

pytestmark = pytest.mark.slow


class Linear(LightningModule):
    """One weight, its gradient always 1: after step k plain SGD has it at -k/10."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[int] = []

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        self.seen.append(int(batch))
        self.log("loss", self.weight.detach().sum(), on_step=False, on_epoch=True, batch_size=1)
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Validated(Linear):
    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        self.log("val_loss", self.weight.detach().sum(), batch_size=1)


class Killed(BaseException):
    """Ends a fit as a signal would: nothing more is saved."""


@pytest.mark.parametrize("after", [3, 6, 9, 10])
def test_resumed_fit_takes_up_the_very_next_step(tmp_path: Path, after: int) -> None:
    def kill(metrics: object, step: int) -> None:
        if step == after:
            raise Killed

    module = Linear()

    def run() -> tuple[dict[str, Tensor], list[dict[str, float]]]:
        return fit(
            module,
            torch.tensor,
            steps=10,
            checkpoint_every=3,
            checkpoints=tmp_path,
            seed=0,
            ema_decay=0.5,
            on_metrics=kill,
        )

    with pytest.raises(Killed):
        run()
    saved = after - (after % 3 or 3)  # the curves' row is written before the checkpoint
    module, after = Linear(), -1
    state, curves = run()
    assert module.seen == list(range(saved, 10))
    assert [row["step"] for row in curves] == [3, 6, 9, 10]
    average = -0.1
    for step in range(2, 11):
        average = 0.5 * average - 0.5 * 0.1 * step
    assert float(state["weight"]) == pytest.approx(average, abs=1e-6)


@pytest.mark.parametrize(("steps", "chunk"), [(6, 3), (7, 3), (2, 5)])
def test_every_step_sees_its_own_batch_and_the_last_is_kept(
    tmp_path: Path, steps: int, chunk: int
) -> None:
    module = Linear()
    state, curves = fit(
        module, torch.tensor, steps=steps, checkpoint_every=chunk, checkpoints=tmp_path, seed=0
    )
    assert module.seen == list(range(steps))
    assert float(state["weight"]) == pytest.approx(-0.1 * steps)
    assert [row["step"] for row in curves] == [*range(chunk, steps, chunk), steps]


def test_averaged_weights_are_the_exponential_average(tmp_path: Path) -> None:
    state, _ = fit(
        Linear(),
        torch.tensor,
        steps=5,
        checkpoint_every=5,
        checkpoints=tmp_path,
        seed=0,
        ema_decay=0.5,
    )
    average = None
    for step in range(1, 6):
        weight = -0.1 * step
        average = weight if average is None else 0.5 * average + 0.5 * weight
    assert float(state["weight"]) == pytest.approx(average, abs=1e-6)


@pytest.mark.parametrize("validated", [False, True])
def test_curves_survive_a_resume_and_their_file(tmp_path: Path, validated: bool) -> None:
    def run(name: str, steps: int) -> list[dict[str, float]]:
        return fit(
            Validated() if validated else Linear(),
            torch.tensor,
            steps=steps,
            checkpoint_every=2,
            checkpoints=tmp_path / name,
            seed=0,
            validation=[torch.tensor(0)] if validated else None,
        )[1]

    run("killed", 4)
    resumed = run("killed", 8)
    assert resumed == run("unbroken", 8)
    assert [row["step"] for row in resumed] == [2, 4, 6, 8]
    write_curves(tmp_path / "curves.csv", resumed)
    assert [row["step"] for row in read_curves(tmp_path / "curves.csv")] == [2, 4, 6, 8]


def test_rate_warms_up_and_decays_and_the_articles_does_not() -> None:
    network = nn.Conv2d(1, 1, 1)
    ours = SuperResolution(network, learning_rate=1.0, warmup_steps=10, total_steps=100)
    [optimizer], [schedule] = ours.configure_optimizers()
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    assert rates[0] < rates[5] < max(rates) == pytest.approx(1, abs=0.02)
    assert rates[-1] < 0.01
    article = SuperResolution(network, learning_rate=1e-4).configure_optimizers()
    assert type(article) is torch.optim.Adam
    assert article.param_groups[0]["lr"] == 1e-4
    assert article.param_groups[0]["weight_decay"] == 0


def test_objective_is_the_mean_squared_error() -> None:
    module = SuperResolution(nn.Identity(), learning_rate=1.0)
    module.log = lambda *args, **kwargs: None
    lr, hr = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    loss = module.training_step(Batch(lr, hr), 0)
    assert float(loss) == pytest.approx(float(((lr - hr) ** 2).mean()))


def test_what_lies_beyond_a_line_does_not_count_for_its_psnr() -> None:
    lr, hr = torch.rand(2, 1, 4, 8), torch.rand(2, 1, 4, 8)
    logged: dict[str, float] = {}
    module = SuperResolution(nn.Identity(), learning_rate=1.0)
    module.log = lambda name, value, **kwargs: logged.update({name: float(value)})
    module.validation_step(Batch(lr, hr, ("a", "b"), (8, 5)), 0)
    errors = [(lr[i, ..., :w] - hr[i, ..., :w]).square().mean() for i, w in enumerate((8, 5))]
    expected = torch.stack([-10 * torch.log10(error) for error in errors]).mean()
    assert logged["val_psnr_db"] == pytest.approx(float(expected), abs=1e-4)


def test_spelling_is_added_at_its_weight_and_teaches_the_encoder() -> None:
    torch.manual_seed(0)
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
    network = build_network(spec)
    head = CTCHead(network.encoder.channels[-1], "ab")
    batch = Batch(torch.rand(2, 1, 16, 32), torch.rand(2, 1, 64, 128), ("ab", ""), (32, 20))
    losses = []
    for weight in (0.0, 0.5):
        module = SuperResolution(network, learning_rate=1.0, ctc_head=head, ctc_loss_weight=weight)
        logged: dict[str, float] = {}
        module.log = lambda name, value, logged=logged, **kwargs: logged.update(
            {name: float(value)}
        )
        network.zero_grad()
        loss = module.training_step(batch, 0)
        loss.backward()
        losses.append(float(loss.detach()))
        assert losses[-1] == pytest.approx(
            logged["train_mse"] + weight * logged["train_ctc"], rel=1e-5
        )
        # An untrained network is bicubic: only spelling reaches the encoder.
        reached = network.encoder.sequence[0].body[0].weight.grad
        assert (reached is not None and bool(reached.abs().max() > 0)) == (weight > 0)
    assert losses[1] > losses[0]


def test_a_frozen_recognizer_is_asked_from_its_step_on_and_is_not_trained() -> None:
    torch.manual_seed(0)
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
    recognizer = Recognizer("ab").eval().requires_grad_(False)
    before = {name: value.clone() for name, value in recognizer.state_dict().items()}
    batch = Batch(torch.rand(2, 1, 16, 32), torch.rand(2, 1, 64, 128), ("ab", "b"), (32, 20))

    class At(SuperResolution):
        global_step = 0

    module = At(
        build_network(spec),
        learning_rate=1.0,
        recognizer=recognizer,
        recognition_weight=0.5,
        recognition_start_step=3,
    )
    logged: dict[str, float] = {}
    module.log = lambda name, value, **kwargs: logged.update({name: float(value)})
    module.on_fit_start()
    module.train()
    assert float(module.training_step(batch, 0).detach()) == pytest.approx(logged["train_mse"])
    assert "train_reading" not in logged
    module.global_step = 3
    loss = module.training_step(batch, 0)
    expected = logged["train_mse"] + 0.5 * logged["train_reading"]
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert module.network.to_hr[0].weight.grad.abs().max() > 0
    assert len(module.state_dict()) == len(module.network.state_dict())
    assert all(torch.equal(recognizer.state_dict()[name], value) for name, value in before.items())


def test_the_recognizer_can_be_shown_the_output_blended_with_bicubics() -> None:
    torch.manual_seed(0)
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
    network = build_network(spec)
    torch.nn.init.normal_(network.to_hr[0].weight, std=0.1)
    recognizer = Recognizer("ab")
    with torch.no_grad():
        for _ in range(40):  # its statistics become those of lines, so that it sees them
            recognizer.frames(torch.rand(4, 1, 64, 128))
    recognizer.eval().requires_grad_(False)
    batch = Batch(torch.rand(2, 1, 16, 32), torch.rand(2, 1, 64, 128), ("ab", "b"), (32, 20))

    class At(SuperResolution):
        global_step = 0

    def reading(blend: tuple[float, float], step: int = 0) -> tuple[float, bool]:
        """Its loss, and whether it teaches the network anything."""
        module = At(
            network,
            learning_rate=1.0,
            recognizer=recognizer,
            recognition_weight=1,
            recognition_blend_range=blend,
        )
        module.global_step = step
        logged: dict[str, torch.Tensor] = {}
        module.log = lambda name, value, **kwargs: logged.update({name: value})
        module.training_step(batch, 0)
        network.zero_grad()
        logged["train_reading"].backward()
        gradient = network.to_hr[0].weight.grad
        return float(logged["train_reading"].detach()), bool(gradient.abs().max() > 0)

    def expected(lines: torch.Tensor) -> float:
        # Beyond 6 a character, a line that it cannot read has nothing to teach.
        return float(recognizer.losses(lines, ["ab", "b"], [128, 80]).clamp_max(6).mean())

    with torch.no_grad():
        low, high = bicubic(batch.lr, 4), network(batch.lr)
    assert abs(expected(low) - expected(high)) > 0.01
    assert reading((0, 0)) == (pytest.approx(expected(low), rel=1e-4), False)
    assert reading((0.4, 0.4)) == (pytest.approx(expected(0.6 * low + 0.4 * high), rel=1e-4), True)
    assert reading((1, 1)) == (pytest.approx(expected(high), rel=1e-4), True)
    # The weights are a function of the step: a resumed run draws those of an unbroken one.
    assert reading((0, 1), 5) == reading((0, 1), 5)
    assert reading((0, 1), 5) != reading((0, 1), 6)


def test_network_learns_a_batch_by_heart(dataset: Path, tmp_path: Path) -> None:
    make = PairBatches(
        shuffled_pairs(dataset / "train", 1000, 1),
        batch_size=4,
        max_size=(16, 128),
        scale=4,
        seed=1,
    )
    batch = make(0)
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=16, scale=4)
    torch.manual_seed(0)
    module = SuperResolution(
        build_network(spec), learning_rate=3e-3, warmup_steps=5, total_steps=120
    )
    _, curves = fit(
        module,
        lambda step: batch,
        steps=120,
        checkpoint_every=20,
        checkpoints=tmp_path,
        seed=0,
    )
    losses = [row["train_mse"] for row in curves]
    assert losses[-1] < 0.5 * losses[0]


def test_other_params_or_data_are_another_run(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    folder = plan_training("scratch", tiny_params, dataset, None, tmp_path).checkpoints
    assert plan_training("scratch", tiny_params, dataset, None, tmp_path).checkpoints == folder
    other = tiny_params.model_copy(update={"seed": 2})
    assert plan_training("scratch", other, dataset, None, tmp_path).checkpoints != folder
    assert (
        plan_training("srcnn_transposed", tiny_params, dataset, None, tmp_path).checkpoints
        != folder
    )
    with pytest.raises(TextsrError, match="scratch"):
        plan_training("gan", tiny_params, dataset, None, tmp_path)


def test_encoder_that_does_not_fit_is_named(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "simclr/encoder").mkdir(parents=True)
    (tmp_path / "simclr/encoder/encoder.safetensors").write_bytes(b"broken")
    run = plan_training("simclr", tiny_params, dataset, None, tmp_path)
    with pytest.raises(TextsrError, match=r"encoder\.safetensors.*dvc repro pretrain"):
        run_training(run, tmp_path / "out", lambda metrics, step: None)


def test_checkpoints_are_forgotten_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train-a/1", "train-a/2", "train-b/1"):
        (tmp_path / ".checkpoints" / name).mkdir(parents=True)
    forget_checkpoints("train-a")
    assert [p.name for p in (tmp_path / ".checkpoints").iterdir()] == ["train-b"]


def test_a_teachers_output_is_learned_beside_hr_and_the_teacher_stays() -> None:
    torch.manual_seed(0)
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
    teacher = build_network(spec.model_copy(update={"width": 12}))
    torch.nn.init.normal_(teacher.to_hr[0].weight, std=0.1)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    lr, hr = torch.rand(3, 1, 16, 32), torch.rand(3, 1, 64, 128)
    batch = Batch(lr, hr, ("ab", "", "b"), (32, 32, 20))  # the second is paper
    module = SuperResolution(
        build_network(spec), learning_rate=1.0, teacher=teacher, distillation_weight=0.5
    )
    logged: dict[str, float] = {}
    module.log = lambda name, value, **kwargs: logged.update({name: float(value)})
    module.on_fit_start()
    loss = module.training_step(batch, 0)
    with torch.no_grad():
        distances = (module.network(lr) - teacher(lr)).square().mean((1, 2, 3))
    distance = (distances[0] + distances[2]) / 3
    assert logged["train_teacher_mse"] == pytest.approx(float(distance), rel=1e-5)
    expected = logged["train_mse"] + 0.5 * logged["train_teacher_mse"]
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert all(value.grad is None for value in teacher.parameters())
    assert len(module.state_dict()) == len(module.network.state_dict())
    assert all(torch.equal(teacher.state_dict()[name], value) for name, value in before.items())


def test_lines_without_a_text_are_no_part_of_what_is_read() -> None:
    """Paper and parts of lines teach pixels alone, and a line weighs the same beside them."""
    torch.manual_seed(0)
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
    network = build_network(spec)
    torch.nn.init.normal_(network.to_hr[0].weight, std=0.1)
    head = CTCHead(network.encoder.channels[-1], "ab")
    recognizer = Recognizer("ab").eval().requires_grad_(False)

    class At(SuperResolution):
        global_step = 0

    def gradient(batch: Batch) -> tuple[dict[str, float], Tensor]:
        """What is logged, and what the losses of text alone teach."""
        module = At(
            network,
            learning_rate=1.0,
            ctc_head=head,
            ctc_loss_weight=1.0,
            recognizer=recognizer,
            recognition_weight=1.0,
        )
        logged: dict[str, float] = {}
        module.log = lambda name, value, **kwargs: logged.update({name: float(value)})
        network.zero_grad()
        # HR that is the output: the pixels teach nothing.
        with torch.no_grad():
            batch = batch._replace(hr=network(batch.lr))
        module.training_step(batch, 0).backward()
        return logged, network.to_hr[0].weight.grad.clone()

    lr = torch.rand(4, 1, 16, 32)
    texts, widths = ("ab", "", "b", ""), (32, 32, 32, 32)
    logged, taught = gradient(Batch(lr, lr, texts, widths))
    only, taught_by_lines = gradient(Batch(lr[::2], lr[::2], texts[::2], widths[::2]))
    for name in ("train_ctc", "train_reading"):
        assert logged[name] == pytest.approx(only[name] / 2, rel=1e-4)
        assert only[name] > 0
    assert torch.allclose(taught, taught_by_lines / 2, rtol=1e-3, atol=1e-7)
    nothing, untaught = gradient(Batch(lr, lr, ("",) * 4, widths))
    assert (nothing["train_ctc"], nothing["train_reading"]) == (0, 0)
    assert float(untaught.abs().max()) == 0
