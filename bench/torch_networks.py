"""Dense networks and a flat Adam in PyTorch, and how their speed is taken: what torch_methods.py and torch_fleet.py share."""
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


dropout_from_words = False  # see dropout()


def dropout(x, share):
    """PyTorch's own, or (--dropout words) from 16 bits of random words per unit: its Bernoulli draws are slow without MKL."""
    if not dropout_from_words:
        return F.dropout(x, share, True)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-2**63, None).view(torch.int16)[:x.numel()]
    return x * (words.view_as(x) >= round(share * 65536) - 32768).to(x.dtype).mul_(1 / (1 - share))


class Dense(nn.Module):
    """Dense layers; leaky ReLU and dropout after each but the last. hidden() stops before the last layer."""

    def __init__(self, widths, slope, dropout=0.0):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:]))
        self.slope, self.dropout = slope, dropout
        for layer in self.layers:
            glorot(layer)

    def hidden(self, x):
        for layer in self.layers[:-1]:
            x = rectified(layer(x), self.slope)
            x = dropout(x, self.dropout) if self.dropout and self.training else x
        return x

    def features(self, x):
        """(logit [rows], last hidden layer)"""
        hidden = self.hidden(x)
        return self.layers[-1](hidden).squeeze(-1), hidden

    def forward(self, x):
        return self.layers[-1](self.hidden(x))


class SpectralDense(Dense):
    """Dense whose hidden weights are divided by their largest singular value: one power iteration a pass, never the last layer."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.left = [F.normalize(torch.randn(layer.out_features), dim=0) for layer in self.layers[:-1]]

    def hidden(self, x):
        for i, layer in enumerate(self.layers[:-1]):
            x = rectified(F.linear(x, self.normalised(i, layer.weight), layer.bias), self.slope)
            x = dropout(x, self.dropout) if self.dropout and self.training else x
        return x

    def normalised(self, i, weight):
        with torch.no_grad():
            right = F.normalize(self.left[i] @ weight, dim=0)
            if self.training:
                self.left[i] = F.normalize(weight @ right, dim=0)
        return weight / torch.dot(self.left[i], weight @ right)


def glorot(layer):
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)


def rectified(x, slope):
    """In place: both derivatives are known from the result alone."""
    return F.relu(x, inplace=True) if slope == 0 else F.leaky_relu(x, slope, inplace=True)


class FlatAdam:
    """Adam over one flat buffer that the parameters and gradients of several networks are views of, and their moving average."""

    def __init__(self, networks, rate, beta1=0.5, beta2=0.999, epsilon=1e-8, average=0.0):
        self.parameters = [p for network in networks for p in network.parameters()]
        self.value = torch.cat([p.data.reshape(-1) for p in self.parameters])
        self.gradient, self.first, self.second, self.root = (torch.zeros_like(self.value) for _ in range(4))
        offset = 0
        for p in self.parameters:
            count = p.numel()
            p.data = self.value[offset:offset + count].view_as(p)
            p.grad = self.gradient[offset:offset + count].view_as(p)
            offset += count
        self.rate, self.beta1, self.beta2, self.epsilon, self.steps = rate, beta1, beta2, epsilon, 0
        self.decay, self.average = average, self.value.clone() if average else None

    def minimise(self, loss):
        """One step; only these parameters get gradients."""
        self.gradient.zero_()
        loss.backward(inputs=self.parameters)
        self.steps += 1
        with torch.no_grad():
            self.first.lerp_(self.gradient, 1 - self.beta1)
            self.second.mul_(self.beta2).addcmul_(self.gradient, self.gradient, value=1 - self.beta2)
            torch.sqrt(self.second, out=self.root)
            self.root.mul_(1 / math.sqrt(1 - self.beta2 ** self.steps)).add_(self.epsilon)
            self.value.addcdiv_(self.first, self.root, value=-self.rate / (1 - self.beta1 ** self.steps))
            if self.decay:
                self.average.lerp_(self.value, 1 - self.decay)

    @torch.no_grad()
    def use_average(self):
        self.value.copy_(self.average)


def signs(rows):
    """Factors of the stacked logits of `rows` real and as many generated rows: sp(factor * logit) is the cross-entropy."""
    return torch.cat((-torch.ones(rows), torch.ones(rows)))


def gradient_of(critic, x):
    """d critic(x) / dx per row, itself differentiable."""
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]


def measured(work, seconds, chunks=5):
    """Calls of work() per second: (median, lowest, highest) of `chunks` chunks that take `seconds` together. With one thread, of
    processor time, as the product's benchmarks take it: what else a machine does then counts for neither."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    work()
    start, calls = clock(), 0
    while calls < 3 or clock() - start < 0.1 * seconds:
        work()
        calls += 1
    each = max(1, round(calls / (clock() - start) * seconds / chunks))
    rates = []
    for _ in range(chunks):
        start = clock()
        for _ in range(each):
            work()
        rates.append(each / (clock() - start))
    return statistics.median(rates), min(rates), max(rates)


def report(what, rates, factor, unit, threads):
    middle, low, high = (rate * factor for rate in rates)
    print(json.dumps({"peer": "torch " + torch.__version__, "threads": threads, "what": what, "rate": middle, "low": low, "high": high,
                      "unit": unit}), flush=True)
