"""Slow float64 references, written from shared/method.md; they share no helper with src/."""

import numpy as np
import torch


def _unit(x: torch.Tensor) -> torch.Tensor:
    x = x - x.mean(0)
    return torch.stack([row / (row.pow(2).sum().sqrt() + 1e-8) for row in x])


def aft(phi, psi, s, kernel="linear"):
    z, t = _unit(phi), _unit(psi * (1 / (1 + torch.exp(-s))))
    total = phi.new_zeros(())
    n = len(phi)
    if kernel == "linear":
        for i in range(n):
            total = total + ((z @ z[i]) - (t @ t[i])).pow(2).sum()
    else:
        for i in range(n):
            a = torch.exp(-(z - z[i]).pow(2).sum(1))
            b = torch.exp(-(t - t[i]).pow(2).sum(1))
            total = total + (a - b).pow(2).sum()
    return torch.sqrt(total / n**2 + 1e-8)


def dense_aft(phi, psi, matrix):
    z, t = _unit(phi), _unit(psi @ matrix.T)
    return torch.sqrt(((z @ z.T - t @ t.T) ** 2).mean() + 1e-8)


def mapped(phi, psi, matrix):
    target = torch.stack([matrix @ row for row in psi])
    return ((phi - phi.mean(0) - target + target.mean(0)) ** 2).mean()


def kd(phi, psi, w, b):
    return np.mean([(w @ p + b - q) ** 2 for p, q in zip(phi, psi, strict=True)])


def probe_kd(probe, logits, t):
    def softmax(row):
        e = np.exp(row - row.max())
        return e / e.sum()

    terms = []
    for p, q in zip(probe, logits, strict=True):
        p, q = softmax(p / t), softmax(q / t)
        terms.append(t * t * np.sum(p * (np.log(p) - np.log(q))))
    return np.mean(terms)
