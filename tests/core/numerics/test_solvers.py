import pytest
import torch

from unblur.numerics.solvers import (
    admm,
    conjugate_gradient,
    continuation,
    replay_conjugate_gradient,
)


def spd(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, n, dtype=torch.float64, generator=generator)
    return a @ a.T + n * torch.eye(n, dtype=torch.float64)


def test_conjugate_gradient_solves_independent_systems_as_a_dense_solver_does():
    a = spd(12)
    b = torch.randn(3, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    got = conjugate_gradient(lambda v: v @ a, b, torch.zeros_like(b), iterations=40, ndim=1)
    torch.testing.assert_close(got, torch.linalg.solve(a, b.T).T)


def test_a_preconditioner_saves_iterations():
    a = spd(30) + torch.diag(torch.logspace(0, 4, 30, dtype=torch.float64))
    b = torch.ones(30, dtype=torch.float64)
    diagonal = torch.diagonal(a)
    truth = torch.linalg.solve(a, b)

    def error(precondition):
        x = conjugate_gradient(
            lambda v: a @ v,
            b,
            torch.zeros_like(b),
            iterations=8,
            ndim=1,
            precondition=precondition,
        )
        return float((x - truth).norm())

    assert error(lambda r: r / diagonal) < 0.1 * error(None)


def test_tolerance_ends_early():
    calls = []
    a = spd(10)

    def operator(v):
        calls.append(1)
        return a @ v

    b = torch.ones(10, dtype=torch.float64)
    conjugate_gradient(operator, b, torch.zeros_like(b), iterations=99, ndim=1, tolerance=1e-3)
    assert len(calls) < 12


def test_following_the_steps_of_a_run_repeats_it():
    a, b = spd(12), torch.ones(12, dtype=torch.float64)
    coefficients = []
    start = torch.zeros_like(b)
    options = {"ndim": 1, "precondition": lambda r: r / torch.diagonal(a)}
    found = conjugate_gradient(
        lambda v: a @ v, b, start, iterations=5, on_coefficients=coefficients.append, **options
    )
    steps = torch.stack([torch.stack(pair) for pair in coefficients])
    assert steps.shape == (5, 2, 1)
    followed = replay_conjugate_gradient(lambda v: a @ v, b, start, steps, **options)
    torch.testing.assert_close(followed, found)


def test_steps_that_would_lead_astray_are_refused():
    a, b = spd(12), torch.ones(12, dtype=torch.float64)
    steps = torch.full((4, 2, 1), 1.0, dtype=torch.float64)
    assert replay_conjugate_gradient(lambda v: a @ v, b, torch.zeros_like(b), steps, ndim=1) is None


def test_gradients_flow_through_conjugate_gradient():
    def solve(scale):
        a = scale * spd(4)
        b = torch.ones(4, dtype=torch.float64)
        return conjugate_gradient(lambda v: a @ v, b, torch.zeros_like(b), iterations=4, ndim=1)

    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(solve, scale)


def test_continuation_grows_to_its_end():
    assert list(continuation(1, 8, 2)) == [1, 2, 4, 8]
    with pytest.raises(ValueError, match="factor > 1"):
        list(continuation(1, 8, 1))


@pytest.mark.parametrize("relaxation", [1.0, 1.8])
def test_admm_finds_the_lasso_solution(relaxation):
    # min 1/2 |x - b|^2 + w |x|_1 has the soft threshold as its solution.
    b = torch.tensor([3.0, -0.5, 0.2, -2.0], dtype=torch.float64)
    weight, rho = 1.0, 0.7

    def soft(v):
        return torch.sign(v) * (v.abs() - weight / rho).clamp_min(0)

    got = admm(
        lambda v: (b + rho * v) / (1 + rho),
        lambda x: x,
        soft,
        b,
        iterations=200,
        relaxation=relaxation,
    )
    expected = torch.sign(b) * (b.abs() - weight).clamp_min(0)
    torch.testing.assert_close(got, expected, atol=1e-8, rtol=0)
