#!/usr/bin/env python3
"""Speed of a fleet in PyTorch: one default detector per entity, trained (and scoring its rows) one after another. One JSON line.

usage: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE bench/torch_fleet.py
           [--rows 500] [--columns 20] [--hidden 128,128] [--steps 4000] [--models 1] [--processes 1] [--no-score]

The recipe is that of docs/anogan.md with `population` 1: R1 every 4th step, fences, coverage on 256 generated rows, moving
averages, cosine decay; the score is the distance to the 5th nearest of 3,000 generated rows and the positive part of -D. It has no
label-free stopping. --processes N runs N such loops of --models each side by side, the fair use of N cores: rates add up.
"""
import argparse
import json
import math
import multiprocessing
import time

import torch
import torch.nn.functional as F

from torch_networks import Dense, FlatAdam, gradient_of

BATCH, GENERATED, RATE, FINAL_RATE, R1, R1_EVERY, FENCE, LIMIT = 64, 256, 5e-4, 0.02, 0.3, 4, 0.3, 3.5


def fences(real):
    """Negatives made from real rows, a third each: noise, a share of the columns of another row, uniform."""
    third = (len(real) + 2) // 3
    noisy, mixed, rest = real.split(third)
    deviation = torch.empty(third, 1).uniform_(math.log(0.1), math.log(2.0)).exp_()
    swapped = torch.rand_like(mixed) < torch.rand(len(mixed), 1)
    return (torch.addcmul(noisy, deviation, torch.randn_like(noisy)), torch.where(swapped, mixed.roll(-1, 0), mixed),
            torch.empty_like(rest).uniform_(-LIMIT, LIMIT))


class Model:
    def __init__(self, columns, hidden):
        self.latent = max(2, (columns + 1) // 2)
        self.g, self.d = Dense((self.latent, *hidden, columns), 0.0), Dense((columns, *hidden, 1), 0.2)
        self.adam_g, self.adam_d = (FlatAdam([n], RATE, 0.5, 0.99, average=0.995) for n in (self.g, self.d))
        # Per row of real, generated and fence rows: the sign of its logit in the loss, and its share of it.
        self.signs = torch.cat((-torch.ones(BATCH), torch.ones(2 * BATCH)))
        shares = torch.tensor([1.0, 1 / (1 + FENCE), FENCE / (1 + FENCE)]) / BATCH
        self.shares = shares.repeat_interleave(BATCH)

    def step(self, data, t, decay_steps):
        share = min(1.0, t / decay_steps)
        self.adam_g.rate = self.adam_d.rate = RATE * (FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * share)))
        real = data[torch.randint(len(data), (BATCH,))]
        with torch.no_grad():
            rows = torch.cat((real, self.g(torch.randn(BATCH, self.latent)), *fences(real)))
        loss = torch.dot(F.softplus(self.d(rows).squeeze(-1) * self.signs), self.shares)
        if t % R1_EVERY == 0:
            loss = loss + 0.5 * R1 * R1_EVERY / BATCH * gradient_of(self.d, real).square().sum()
        self.adam_d.minimise(loss)
        generated = self.g(torch.randn(GENERATED, self.latent))
        with torch.no_grad():
            nearest = torch.cdist(real, generated).argmin(1)
        self.adam_g.minimise(F.softplus(-self.d(generated[:BATCH])).mean() + F.mse_loss(generated[nearest], real))

    @torch.no_grad()
    def scores(self, data, bank_rows=3000, neighbours=5):
        self.adam_g.use_average()
        self.adam_d.use_average()
        bank = self.g(torch.randn(bank_rows, self.latent))
        raw = torch.stack((torch.cdist(data, bank).topk(neighbours, 1, largest=False).values[:, -1], -self.d(data).squeeze(-1)))
        low, middle, high = raw.quantile(torch.tensor([0.05, 0.5, 0.95]), dim=1)
        u = (raw - middle[:, None]) / ((high - low)[:, None] / 3.29)
        u = u.sign() * u.abs().log1p()
        return u[0] + 0.5 * u[1].clamp(min=0)


def loop(arguments, number):
    """Seconds of one loop over its models; the rows are standard normal, made beforehand."""
    torch.set_num_threads(1)
    torch.manual_seed(number)
    hidden = [int(width) for width in arguments.hidden.split(",")]
    entities = [torch.randn(arguments.rows, arguments.columns) for _ in range(arguments.models)]
    warm = Model(arguments.columns, hidden)
    for t in range(20):
        warm.step(entities[0], t, 4000)
    start = time.perf_counter()
    for data in entities:
        model = Model(arguments.columns, hidden)
        for t in range(arguments.steps):
            model.step(data, t, max(4000, arguments.steps))
        if arguments.score:
            model.scores(data)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--hidden", default="128,128")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--models", type=int, default=1, help="trained one after another, by each process")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--no-score", dest="score", action="store_false")
    arguments = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        seconds = pool.starmap(loop, [(arguments, number) for number in range(arguments.processes)])
    rate = sum(arguments.models / s for s in seconds)
    print(json.dumps({"peer": "torch " + torch.__version__, "threads": 1, "processes": arguments.processes,
                      "what": f"fleet {arguments.rows} rows {arguments.columns} columns hidden {arguments.hidden} steps {arguments.steps}",
                      "rate": rate, "model_steps": rate * arguments.steps, "unit": "models/s"}), flush=True)


if __name__ == "__main__":
    main()
