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


def smooth(x):
    return np.where(np.abs(x) < 1, 0.5 * x**2, np.abs(x) - 0.5)


def rkd(phi, psi):
    n = len(phi)

    def distances(x):
        d = np.array([[np.linalg.norm(a - b) for b in x] for a in x])
        return d / d[d > 0].mean()

    def cosine(x, i, j, k):
        a, b = x[j] - x[i], x[k] - x[i]
        na, nb = np.linalg.norm(a), np.linalg.norm(b)
        return 0.0 if na == 0 or nb == 0 else a @ b / (na * nb)

    pairs = smooth(distances(phi) - distances(psi)).mean()
    terms = [smooth(cosine(phi, i, j, k) - cosine(psi, i, j, k)) for i in range(n) for j in range(n) for k in range(n)]
    return (pairs + 2 * np.mean(terms)) / 2


def sp(phi, psi):
    def rows(x):
        g = np.array([[a @ b for b in x] for a in x])
        return np.array([r / np.sqrt((r**2).sum()) for r in g])

    return ((rows(phi) - rows(psi)) ** 2).sum() / len(phi) ** 2


def cka(phi, psi):
    m = len(phi)
    one = np.ones(m)

    def kernel(x):
        g = np.array([[a @ b for b in x] for a in x])
        np.fill_diagonal(g, 0)
        return g

    def hsic(k, x):
        first = np.trace(k @ x)
        second = (one @ k @ one) * (one @ x @ one) / ((m - 1) * (m - 2))
        third = 2 / (m - 2) * (one @ k @ x @ one)
        return (first + second - third) / (m * (m - 3))

    k, x = kernel(phi), kernel(psi)
    return 1 - hsic(k, x) / np.sqrt(hsic(k, k) * hsic(x, x))
