"""Slow float64 references of all objectives, written from the published formulas without code from src/."""

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


def product_aft(phi, first, second, s):
    """With the outer products of the gated features, written out."""
    weights = 1 / (1 + torch.exp(-s))
    a, b = first * weights[: first.shape[1]], second * weights[first.shape[1] :]
    z, t = _unit(phi), _unit(torch.stack([torch.outer(x, y).flatten() for x, y in zip(a, b, strict=True)]))
    return torch.sqrt(((z @ z.T - t @ t.T) ** 2).mean() + 1e-8)


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


def logme(features, targets):
    """Evidence per sample and posterior mean for one target column, computed with D x D matrices."""
    n, d = features.shape
    alpha, beta = 1.0, 1.0
    for _ in range(11):
        ratio = alpha / beta
        inverse = np.linalg.inv(features.T @ features + ratio * np.eye(d))
        mean = inverse @ features.T @ targets
        gamma = d - ratio * np.trace(inverse)
        misfit = np.sum((targets - features @ mean) ** 2)
        alpha = gamma / (mean @ mean + 1e-5)
        beta = (n - gamma) / (misfit + 1e-5)
        if abs(alpha / beta - ratio) / ratio <= 1e-3:
            break
    evidence = d * np.log(alpha) + n * np.log(beta) - n * np.log(2 * np.pi) - beta * misfit - alpha * mean @ mean
    evidence -= np.linalg.slogdet(alpha * np.eye(d) + beta * features.T @ features)[1]
    return evidence / 2 / n, mean


def b_tuning(phi, psis, m_s, m_ks, scores):
    scores = np.array(scores) / 0.1
    pi = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    total = 0.0
    for i, row in enumerate(phi):
        for c in range(len(m_s)):
            teacher = sum(p * (psi[i] @ m[c]) for p, psi, m in zip(pi, psis, m_ks, strict=True))
            total += (row @ m_s[c] - teacher) ** 2
    return total / (len(phi) * len(m_s))


def ft(phi, psis, paraphrasers, translator):
    """`paraphrasers` (one per teacher) and `translator` are lists of (weight, bias)."""

    def through(row, layers):
        for number, (weight, bias) in enumerate(layers):
            row = weight @ (row if number == 0 else np.maximum(row, 0)) + bias
        return row

    total = 0.0
    for i, row in enumerate(phi):
        one = through(row, translator)
        two = np.concatenate([through(psi[i], layers) for psi, layers in zip(psis, paraphrasers, strict=True)])
        total += np.abs(one / np.linalg.norm(one) - two / np.linalg.norm(two)).sum()
    return total / len(phi)
