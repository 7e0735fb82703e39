#!/usr/bin/env python3
"""Speed of one training step and of scoring of each GAN method in PyTorch, on the KDD99 networks. One JSON object per line.

usage: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE bench/torch_methods.py
           [--threads 1] [--batch 50 1024] [--only NAME ...] [--seconds 2] [--dropout library|words]

train_step NAME batch N   steps/s; one step is all updates of one iteration, on rows in memory (no loading, no shuffling)
score NAME batch N        rows/s of at most 16,384 rows, N at a time

Written for speed: generated and real rows stacked into one pass wherever that is the same function, one flat Adam buffer per group
of networks that step together, gradients only for the networks that step, nothing read back. Column widths are 121 and 32.
"""
import argparse

import torch
import torch.nn.functional as F
from torch import nn

import torch_networks
from torch_networks import Dense, FlatAdam, SpectralDense, dropout, glorot, gradient_of, measured, rectified, report, signs

COLUMNS, LATENT = 121, 32


def generator(outputs=COLUMNS):
    return Dense((LATENT, 64, 128, outputs), 0.0)


class Gan:
    """The AnoGAN of the EGBAD repository (its discriminator: 256-128-128, dropout .2); score 1 - sigmoid(D(x))."""

    def __init__(self, rows):
        self.g, self.d, self.rows = generator(), Dense((COLUMNS, 256, 128, 128, 1), 0.1, 0.2), rows
        self.adam_g, self.adam_d = FlatAdam([self.g], 1e-5, average=0.9999), FlatAdam([self.d], 1e-5, average=0.9999)
        self.signs = signs(rows)

    def step(self, x, _):
        with torch.no_grad():
            generated = self.g(torch.randn(self.rows, LATENT))
        self.adam_d.minimise(2 * F.softplus(self.signs * self.d(torch.cat((x, generated))).squeeze(-1)).mean())
        self.adam_g.minimise(F.softplus(-self.d(self.g(torch.randn(self.rows, LATENT)))).mean())

    def networks(self):
        return self.g, self.d

    def score(self, x):
        return torch.sigmoid_(self.d(x).squeeze(-1).neg_())


class JointDiscriminator(nn.Module):
    """EGBAD's D(x, z): 128 units of x and 128 of z, then 128 of both. batch_norm: ALAD's form of it."""

    def __init__(self, slope=0.1, dropout=0.2, batch_norm=False):
        super().__init__()
        self.x, self.z, self.both, self.logit = nn.Linear(COLUMNS, 128), nn.Linear(LATENT, 128), nn.Linear(256, 128), nn.Linear(128, 1)
        for layer in (self.x, self.z, self.both, self.logit):
            glorot(layer)
        self.norm = nn.BatchNorm1d(128, eps=1e-3, momentum=0.01) if batch_norm else None
        self.slope, self.dropout = slope, dropout

    def activation(self, t):
        t = rectified(t, self.slope)
        return dropout(t, self.dropout) if self.training else t

    def branches(self, x, z):
        if self.norm is None:
            return self.activation(torch.cat((self.x(x), self.z(z)), 1))
        h = self.x(x)
        # Real and generated rows have statistics of their own; dropout is on the branch of z only.
        h = torch.cat([self.norm(part) for part in h.chunk(2)]) if self.training else self.norm(h)
        return torch.cat((rectified(h, self.slope), self.activation(self.z(z))), 1)

    def forward(self, x, z):
        hidden = self.activation(self.both(self.branches(x, z)))
        return self.logit(hidden).squeeze(-1), hidden


class Bigan:
    """EGBAD. Scores .9 |x - G(E(x))| + .1 sp(-D(G(E(x)), E(x))), or with the feature residual |f(x, E(x)) - f(G(E(x)), E(x))|."""

    stochastic = False

    def __init__(self, rows, feature_matching=False):
        outputs = 2 if self.stochastic else 1
        self.e, self.g, self.d = Dense((COLUMNS, 64, LATENT * outputs), 0.1), generator(COLUMNS * outputs), JointDiscriminator()
        self.adam_d, self.adam_both = FlatAdam([self.d], 1e-5, average=0.9999), FlatAdam([self.e, self.g], 1e-5, average=0.9999)
        self.rows, self.signs, self.feature_matching = rows, signs(rows), feature_matching

    def draw(self, network, t):
        return network(t)

    def mean(self, network, t):
        return network(t)

    def step(self, x, other):
        z = torch.randn(self.rows, LATENT)
        with torch.no_grad():
            generated, encoded = self.draw(self.g, z), self.draw(self.e, x)
        self.adam_d.minimise(2 * F.softplus(self.signs * self.d(torch.cat((x, generated)), torch.cat((encoded, z)))[0]).mean())
        z = torch.randn(self.rows, LATENT)
        logit, _ = self.d(torch.cat((other, self.draw(self.g, z))), torch.cat((self.draw(self.e, other), z)))
        self.adam_both.minimise(2 * F.softplus(-self.signs * logit).mean())

    def networks(self):
        return self.e, self.g, self.d

    def score(self, x):
        z = self.mean(self.e, x)
        again = self.mean(self.g, z)
        residual = (x - again).abs_().sum(1)
        logit, features = self.d(again, z)
        second = (self.d(x, z)[1] - features).abs_().sum(1) if self.feature_matching else F.softplus(-logit)
        return residual.mul_(0.9).add_(second, alpha=0.1)


class Ali(Bigan):
    """ALI: encoder and generator give mean and log deviation, both sampled; scores use the means."""

    stochastic = True

    def draw(self, network, t):
        mean, log_deviation = network(t).chunk(2, 1)
        return torch.addcmul(mean, log_deviation.exp(), torch.randn_like(mean))

    def mean(self, network, t):
        last = network.layers[-1]
        half = last.out_features // 2
        return F.linear(network.hidden(t), last.weight[:half], last.bias[:half])


class Ganomaly:
    """GANomaly with dense networks, weights 1, 50, 1; D steps first, on the one generator pass of the iteration."""

    def __init__(self, rows):
        self.encoder, self.again = (Dense((COLUMNS, 64, LATENT), 0.2) for _ in range(2))
        self.decoder = Dense((LATENT, 64, COLUMNS), 0.0)
        self.d = Dense((COLUMNS, 128, 128, 1), 0.2)
        self.adam_g = FlatAdam([self.encoder, self.decoder, self.again], 2e-4, average=0.999)
        self.adam_d = FlatAdam([self.d], 2e-4, average=0.999)
        self.signs = signs(rows)

    def step(self, x, _):
        z = self.encoder(x)
        made = self.decoder(z)
        second = self.again(made)
        self.adam_d.minimise(F.softplus(self.signs * self.d(torch.cat((x, made.detach()))).squeeze(-1)).mean())
        with torch.no_grad():
            target = self.d.hidden(x)
        self.adam_g.minimise(F.mse_loss(self.d.hidden(made), target) + 50 * F.l1_loss(made, x) + F.mse_loss(second, z))

    def networks(self):
        return self.encoder, self.decoder, self.again, self.d

    def score(self, x):
        z = self.encoder(x)
        return (self.again(self.decoder(z)) - z).square_().mean(1)


class Fanogan:
    """f-AnoGAN's Wasserstein GAN with gradient penalty: five critic updates, then one of the generator. Score: x and feature residual."""

    critic_updates, penalty = 5, 10.0

    def __init__(self, rows):
        self.g, self.critic, self.e = generator(), Dense((COLUMNS, 256, 128, 128, 1), 0.2), Dense((COLUMNS, 64, LATENT), 0.2)
        self.adam_g, self.adam_critic = (FlatAdam([n], 1e-4, beta1=0.0, beta2=0.9, average=0.999) for n in (self.g, self.critic))
        self.adam_e = FlatAdam([self.e], 5e-5, average=0.999)
        self.rows, self.signs = rows, signs(rows) / rows

    def step(self, x, _):
        with torch.no_grad():  # G rests meanwhile: one pass for all five
            generated = self.g(torch.randn(self.critic_updates * self.rows, LATENT)).chunk(self.critic_updates)
        for fake in generated:
            slope = gradient_of(self.critic, torch.lerp(x, fake, torch.rand(self.rows, 1))).square().sum(1).sqrt()
            difference = (self.signs * self.critic(torch.cat((x, fake))).squeeze(-1)).sum()
            self.adam_critic.minimise(difference + self.penalty * (slope - 1).square().mean())
        self.adam_g.minimise(-self.critic(self.g(torch.randn(self.rows, LATENT))).mean())

    def networks(self):
        return self.g, self.critic, self.e

    def score(self, x):
        again = self.g(self.e(x))
        feature = (self.critic.hidden(x) - self.critic.hidden(again)).square_().mean(1)
        return feature.add_((x - again).square_().mean(1))


class FanoganEncoder(Fanogan):
    """The encoder's izi_f update, generator and critic at rest."""

    score = None

    def step(self, x, _):
        with torch.no_grad():
            target = self.critic.hidden(x)
        again = self.g(self.e(x))
        self.adam_e.minimise(F.mse_loss(again, x) + F.mse_loss(self.critic.hidden(again), target))


class Alad:
    """ALAD: D_xz with batch norm, D_xx and D_zz step together, then E and G; score: L1 of D_xx's features."""

    def __init__(self, rows, dense=Dense):
        self.e, self.g = dense((COLUMNS, 64, LATENT), 0.2), generator()
        self.d_xz = JointDiscriminator(0.2, 0.5, batch_norm=True)
        self.d_xx, self.d_zz = dense((2 * COLUMNS, 128, 1), 0.2, 0.2), dense((2 * LATENT, 32, 1), 0.2, 0.2)
        self.adam_d = FlatAdam([self.d_xz, self.d_xx, self.d_zz], 1e-5, average=0.999)
        self.adam_both = FlatAdam([self.e, self.g], 1e-5, average=0.999)
        self.rows, self.signs = rows, signs(rows)

    def passes(self, x, z):
        """E(x), G(z), G(E(x)), E(G(z))"""
        encoded = self.e(x)
        generated, again = self.g(torch.cat((z, encoded))).chunk(2)
        return encoded, generated, again, self.e(generated)

    def step(self, x, other):
        z = torch.randn(self.rows, LATENT)
        with torch.no_grad():
            encoded, generated, again, z_again = self.passes(x, z)
        xz, _ = self.d_xz(torch.cat((x, generated)), torch.cat((encoded, z)))
        xx = self.d_xx(torch.cat((torch.cat((x, x), 1), torch.cat((x, again), 1)))).squeeze(-1)
        zz = self.d_zz(torch.cat((torch.cat((z, z), 1), torch.cat((z, z_again), 1)))).squeeze(-1)
        self.adam_d.minimise(2 * F.softplus(torch.cat((xz, xx, zz)).view(3, -1) * self.signs).mean(1).sum())
        z = torch.randn(self.rows, LATENT)
        encoded, generated, again, z_again = self.passes(other, z)
        xz, _ = self.d_xz(torch.cat((other, generated)), torch.cat((encoded, z)))
        # The real pairs of D_xx and D_zz give E and G no gradient.
        xx, zz = self.d_xx(torch.cat((other, again), 1)), self.d_zz(torch.cat((z, z_again), 1))
        self.adam_both.minimise(2 * F.softplus(-self.signs * xz).mean() + F.softplus(-xx).mean() + F.softplus(-zz).mean())

    def networks(self):
        return self.e, self.g, self.d_xz, self.d_xx, self.d_zz

    def score(self, x):
        again = self.g(self.e(x))
        real, made = self.d_xx.hidden(torch.cat((torch.cat((x, x), 1), torch.cat((x, again), 1)))).chunk(2)
        return (real - made).abs_().sum(1)


METHODS = {
    "gan": Gan,
    "bigan": Bigan,
    "bigan_features": lambda rows: Bigan(rows, feature_matching=True),
    "ali": Ali,
    "ganomaly": Ganomaly,
    "fanogan": Fanogan,
    "fanogan_encoder": FanoganEncoder,
    "alad": Alad,
    "alad_spectral": lambda rows: Alad(rows, SpectralDense),
}


def measure(name, batch, arguments):
    torch.manual_seed(0)
    method = METHODS[name](batch)
    if name != "bigan_features":  # its training is bigan's
        x, other = torch.rand(batch, COLUMNS), torch.rand(batch, COLUMNS)
        rates = measured(lambda: method.step(x, other), arguments.seconds)
        report(f"train_step {name} batch {batch}", rates, 1, "steps/s", arguments.threads)
    if method.score is None:
        return
    for network in method.networks():
        network.eval()
    batches = torch.rand(max(1, min(16384 // batch, 100)) * batch, COLUMNS).split(batch)

    def score():
        for rows in batches:
            method.score(rows)

    with torch.no_grad():
        report(f"score {name} batch {batch}", measured(score, arguments.seconds), len(batches) * batch, "rows/s", arguments.threads)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, nargs="+", default=[50, 1024])
    parser.add_argument("--only", action="extend", nargs="+", default=[], choices=list(METHODS))
    parser.add_argument("--seconds", type=float, default=2.0, help="time of each measure")
    parser.add_argument("--dropout", default="library", choices=["library", "words"], help="PyTorch's own, or a faster one by hand")
    parser.add_argument("--list", action="store_true", help="print the names and measure nothing")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(METHODS))
        return
    torch_networks.dropout_from_words = arguments.dropout == "words"
    torch.set_num_threads(arguments.threads)
    for name in arguments.only or METHODS:
        for batch in arguments.batch:
            measure(name, batch, arguments)


if __name__ == "__main__":
    main()
