"""Rendered by scripts/render_python.py from the records of the options: change those instead."""

from __future__ import annotations

from typing import Any

# The option of the library behind each parameter.
OPTIONS = {
    'method': 'method',
    'population': 'population',
    'image': 'image',
    'flip': 'flip',
    'shift': 'shift',
    'log1p': 'log1p',
    'scale': 'scale',
    'centre': 'centre',
    'deduplicate': 'deduplicate',
    'trim': 'trim',
    'latent': 'latent',
    'generator_hidden': 'generator_hidden',
    'discriminator_hidden': 'discriminator_hidden',
    'slope': 'slope',
    'discriminator_dropout': 'discriminator_dropout',
    'generator_dropout': 'generator_dropout',
    'generator_tanh': 'generator_tanh',
    'encoder_hidden': 'encoder_hidden',
    'encoder_tanh': 'encoder_tanh',
    'data_branch': 'data_branch',
    'latent_branch': 'latent_branch',
    'cycle_hidden': 'cycle_hidden',
    'latent_cycle_hidden': 'latent_cycle_hidden',
    'cycle_dropout': 'cycle_dropout',
    'batch_norm': 'batch_norm',
    'spectral_norm': 'spectral_norm',
    'minibatch_kernels': 'minibatch_kernels',
    'minibatch_dimensions': 'minibatch_dimensions',
    'virtual_batch': 'virtual_batch',
    'condition': 'condition',
    'target': 'target',
    'reference_rows': 'reference_rows',
    'steps': 'steps',
    'epochs': 'epochs',
    'batch': 'batch',
    'generator_learning_rate': 'generator_learning_rate',
    'discriminator_learning_rate': 'discriminator_learning_rate',
    'beta1': 'beta1',
    'beta2': 'beta2',
    'adam_form': 'adam_form',
    'final_rate': 'final_rate',
    'decay_steps': 'decay_steps',
    'average_decay': 'average_decay',
    'average_discriminator': 'average_discriminator',
    'discriminator_steps': 'discriminator_steps',
    'generator_loss': 'generator_loss',
    'label_smoothing': 'label_smoothing',
    'r1': 'r1',
    'r1_every': 'r1_every',
    'coverage': 'coverage',
    'coverage_rows': 'coverage_rows',
    'negatives': 'negatives',
    'historical_averaging': 'historical_averaging',
    'adversarial': 'adversarial',
    'reconstruction': 'reconstruction',
    'latent_cycle': 'latent_cycle',
    'contextual': 'contextual',
    'latent_discriminator': 'latent_discriminator',
    'gradient_penalty': 'gradient_penalty',
    'encoder_training': 'encoder_training',
    'encoder_steps': 'encoder_steps',
    'encoder_learning_rate': 'encoder_learning_rate',
    'kappa': 'kappa',
    'patience': 'patience',
    'search_steps': 'search_steps',
    'search_rate': 'search_rate',
    'search_until': 'search_until',
    'search_from': 'search_from',
    'restarts': 'restarts',
    'bank_rows': 'bank_rows',
    'discrimination': 'discrimination',
    'lambda_': 'lambda',
    'residual': 'residual',
    'prior_weight': 'prior_weight',
    'latent_weight': 'latent_weight',
    'latent_clip': 'latent_clip',
    'score_rule': 'score',
    'judged_pair': 'judged_pair',
    'column_spread': 'column_spread',
    'standardise': 'standardise',
    'neighbours': 'neighbours',
    'discriminator_weight': 'discriminator_weight',
    'novelty': 'novelty',
    'compress': 'compress',
    'false_alarm_rate': 'false_alarm_rate',
    'folds': 'folds',
    'fold': 'fold',
}


class DetectorParameters:
    """The parameters of a detector. An option that is None has the value of the recipe, preset or method.

    Parameters
    ----------
    method : str or list of str, default None
        detection method; several, separated by commas, are an ensemble: anogan, gan, bigan, ali, egbad, ganomaly,
        fanogan, alad, translation, sogaal, knn, gain. Of a named method: anogan.
    preset : str, default None
        named settings, one of ``cugad.presets()``, which the other parameters change; with neither preset nor method:
        the recipe for tables.
    population : int, 1 to 65536, default None
        models trained and averaged; model m uses seed + m. Of a named method: 8.
    image : str, default None
        rows are images of so many lines, columns and channels, such as 28x28x1, to which those of folders are resized.
    flip : bool, default None
        training images are mirrored at random. Of a named method: False.
    shift : int, 0 to 1024, default None
        training images are moved at random by up to so many pixels. Of a named method: 0.
    log1p : list, default None
        columns to take log1p of: auto (minimum >= 0 and skewness > 2), none, numeric, or names. Of a named method:
        auto.
    scale : {'none', 'minmax', 'standard', 'robust', 'range'}, default None
        scaling of numeric columns, fitted on the training rows; range: one map of all columns to -1..1. Of a named
        method: standard.
    centre : bool, default None
        with scale none: subtract the training mean. Of a named method: True.
    deduplicate : bool, default None
        train on distinct rows only. Of a named method: False.
    trim : float, 0 to 0.5, or -1, default None
        for training rows that are not all normal: the largest share of them that is left out, the most surprising ones;
        -1 or auto: those that lie apart; 0: none. Of a named method: 0.
    latent : int, 0 to 4096, default None
        latent size; 0: half the columns, at least 2. Of a named method: 0.
    generator_hidden : list, default None
        hidden layers of the generator. Of a named method: 128,128.
    discriminator_hidden : list, default None
        hidden layers of the discriminator. Of a named method: 128,128.
    slope : float, 1e-06 to 1, default None
        slope of the leaky ReLU of discriminators and encoder. Of a named method: 0.2.
    discriminator_dropout : float, 0 to 0.95, default None
        dropout in the discriminator while training. Of a named method: 0.
    generator_dropout : float, 0 to 0.95, default None
        dropout in the generator while training; translation: 0 is 0.1. Of a named method: 0.
    generator_tanh : bool, default None
        the generator ends in tanh: for columns within -1 and 1. Of a named method: False.
    encoder_hidden : list, default None
        hidden layers of the encoder. Of a named method: 128,128.
    encoder_tanh : bool, default None
        the encoder ends in tanh. Of a named method: False.
    data_branch : list, default None
        joint discriminator: layers on x. Of a named method: 128.
    latent_branch : list, default None
        joint discriminator: layers on z. Of a named method: 128.
    cycle_hidden : list, default None
        alad: hidden layers of D(x, x'). Of a named method: 128.
    latent_cycle_hidden : list, default None
        alad: hidden layers of D(z, z'). Of a named method: 32.
    cycle_dropout : float, 0 to 0.95, default None
        alad: dropout of D(x, x') and D(z, z'). Of a named method: 0.
    batch_norm : bool, default None
        batch normalisation on the joint discriminator's data branch. Of a named method: False.
    spectral_norm : bool, default None
        spectral normalisation of the hidden layers of discriminators and encoder. Of a named method: False.
    minibatch_kernels : int, 0 to 1024, default None
        minibatch discrimination in the discriminator: number of kernels; 0: none. Of a named method: 0.
    minibatch_dimensions : int, 1 to 64, default None
        and their dimensions. Of a named method: 5.
    virtual_batch : int, 0 to 65536, default None
        virtual batch normalisation of the generator: reference rows; 0: none. Of a named method: 0.
    condition : list, default None
        columns that the networks and the search are given.
    target : list, default None
        translation: columns to predict from the others; of images the half, right or left.
    reference_rows : int, 0 to 1048576, or -1, default None
        distinct training rows kept in the model, for distances (knn) as a part of the score; -1 or auto: 20,000; 0:
        none, or 20,000 with method knn. Of a named method: 0.
    steps : int, 0 to 1000000000000, default None
        generator updates. Of a named method: 8000.
    epochs : int, 0 to 1000000000, default None
        when > 0, steps = epochs * (rows / batch). Of a named method: 0.
    batch : int, 1 to 1048576, default None
        rows per minibatch. Of a named method: 64.
    generator_learning_rate : float, 0 to 1, default None
        Adam step size of the generator; 0: 5e-4, or 1e-3 with more than 30,000 distinct rows. Of a named method: 0.
    discriminator_learning_rate : float, 0 to 1, default None
        Adam step size of the discriminator. Of a named method: 0.0005.
    beta1 : float, 0 to 0.999999, default None
        Adam's decay of the first moment. Of a named method: 0.5.
    beta2 : float, 0 to 0.999999, default None
        Adam's decay of the second moment. Of a named method: 0.99.
    adam_form : {'standard', 'epsilon_hat'}, default None
        where Adam adds epsilon (epsilon_hat: as TensorFlow 1). Of a named method: standard.
    final_rate : float, 0 to 1, default None
        share of the learning rates left after the cosine decay; 1: constant. Of a named method: 0.02.
    decay_steps : int, 0 to 1000000000000, default None
        steps of the decay; 0: the larger of steps and 4,000. Of a named method: 0.
    average_decay : float, 0 to 0.999999, default None
        moving average of the weights, for scoring; 0: none. Of a named method: 0.995.
    average_discriminator : bool, default None
        score with the averaged discriminator, too. Of a named method: True.
    discriminator_steps : int, 1 to 64, default None
        discriminator updates per generator update. Of a named method: 1.
    generator_loss : {'non_saturating', 'minimax', 'feature_matching', 'wasserstein'}, default None
        generator loss. Of a named method: non_saturating.
    label_smoothing : float, 0 to 0.5, default None
        one-sided label smoothing: real target 1 - value. Of a named method: 0.
    r1 : float, 0 to 1000000, default None
        R1 gradient penalty; 0: none. Of a named method: 0.3.
    r1_every : int, 1 to 1024, default None
        steps between gradient penalties (each weighted so many times). Of a named method: 4.
    coverage : float, 0 to 1000000, or -1, default None
        weight of the coverage term; 0: none; -1: 1, or 30 with more than 30,000 distinct rows. Of a named method: -1.
    coverage_rows : int, 0 to 1048576, default None
        generated rows of the coverage term; 0: 256, or 1,024 with more than 30,000 distinct rows. Of a named method: 0.
    negatives : float, 0 to 1000000, default None
        weight of negatives made from real rows; 0: none. Of a named method: 0.3.
    historical_averaging : float, 0 to 1000000, default None
        weight of the parameters' distance to their mean over time. Of a named method: 0.
    adversarial : float, 0 to 1000000, default None
        weight of D's view in the losses of G and E. Of a named method: 1.
    reconstruction : float, 0 to 1000000, default None
        encoder methods: weight of the mean |x - G(E(x))| in the losses of G and E. Of a named method: 1.
    latent_cycle : float, 0 to 1000000, default None
        encoder methods: weight of the mean (z - E(G(z)))^2 in the losses of G and E. Of a named method: 1.
    contextual : float, 0 to 1000000, default None
        ganomaly: weight of the mean |x - G(E(x))|; translation: of the mean |t - G(s)|. Of a named method: 50.
    latent_discriminator : bool, default None
        alad: D(z, z') steers G and E. Of a named method: True.
    gradient_penalty : float, 0 to 1000000, default None
        weight of the critic's gradient penalty (generator_loss wasserstein). Of a named method: 10.
    encoder_training : {'joint', 'izi', 'ziz', 'izi_f'}, default None
        fanogan: how the encoder is trained. Of a named method: joint.
    encoder_steps : int, 0 to 1000000000000, default None
        fanogan: encoder updates after the GAN; 0: as many as steps. Of a named method: 0.
    encoder_learning_rate : float, 0 to 1, default None
        Adam step size of the encoder. Of a named method: 0.0005.
    kappa : float, 0 to 1000000, default None
        fanogan: weight of the feature residual. Of a named method: 1.
    patience : int, 0 to 1048576, default None
        label-free stopping: checks (every 500 steps) without gain before a model rests; 0: never. Of a named method: 4.
    search_steps : int, 0 to 16777216, default None
        Adam steps of the latent search per query. Of a named method: 0.
    search_rate : list, default None
        learning rates of the search, one per piece of its schedule. Of a named method: 0.01.
    search_until : list, default None
        steps at which the pieces but the last end.
    search_from : {'normal', 'truncated_normal', 'bank', 'encoder'}, default None
        where searches start. Of a named method: bank.
    restarts : int, 1 to 64, default None
        searches per query, the best counts. Of a named method: 1.
    bank_rows : int, 0 to 1048576, default None
        generated rows kept per model; 0: 3,000, or 12,000 with more than 30,000 distinct rows. Of a named method: 0.
    discrimination : {'none', 'cross_entropy', 'feature_l1', 'feature_l2', 'feature_squared'}, default None
        discrimination loss of the search. Of a named method: feature_l1.
    lambda_ : float, 0 to 1, default None
        weight of the discrimination loss; the residual has 1 - lambda. Of a named method: 0.1.
    residual : {'l1', 'l2', 'squared'}, default None
        residual loss of the search. Of a named method: l1.
    prior_weight : float, 0 to 1000000, default None
        weight of log(1 - D(G(z))) in the search (Yeh). Of a named method: 0.
    latent_weight : float, 0 to 1000000, default None
        weight of |z|^2 in the search. Of a named method: 0.
    latent_clip : float, 0 to 1000000, default None
        clip z to [-c, c] in the search; 0: not. Of a named method: 0.
    score_rule : {'automatic', 'search', 'bank', 'discriminator', 'reconstruction', 'latent', 'cycle_features',
        'cycle_logits', 'nearest_and_mean', 'kth_nearest', 'mean_nearest', 'likelihood'}, default None
        what a row's score measures; automatic: the method's own. Of a named method: automatic.
    judged_pair : {'reconstruction', 'query'}, default None
        the pair that a joint discriminator judges in the score: (G(E(x)), E(x)) or (x, E(x)). Of a named method:
        reconstruction.
    column_spread : bool, default None
        reconstruction: residuals in units of their spread on the training rows, at most 20 each. Of a named method:
        False.
    standardise : bool, default None
        scores in units of the spread of normal rows. Of a named method: True.
    neighbours : int, 1 to 64, default None
        which nearest generated row counts; knn: how many nearest reference rows. Of a named method: 5.
    discriminator_weight : float, 0 to 1000000, default None
        weight of the discriminator's positive part in the score. Of a named method: 0.5.
    novelty : float, 0 to 1000000, default None
        weight of cells without a value and of values that training did not have; 0: none. Of a named method: 1.
    compress : bool, default None
        standardised scores u become sign(u) log(1 + |u|). Of a named method: True.
    false_alarm_rate : float, 0 to 0.5, default None
        threshold that a new normal row passes with at most this probability; 0: by contamination. Of a named method: 0.
    folds : int, 0 to 100, default None
        cross-fitting: each model leaves out one of so many folds of the rows, which calibrate it; 0: 5; 1: none. Of a
        named method: 0.
    fold : int, 0 to 99, default None
        the fold that the first model leaves out. Of a named method: 0.
    random_state : int or RandomState, default None
        seed of everything random; None is 42, so that the same call gives the same bits.
    n_jobs : int, default None
        threads on the CPU; None and -1 are all processors. No result depends on it.
    device : str, default 'auto'
        'auto', 'cpu', 'cuda' or 'cuda:N'; 'auto' takes a GPU if there is one; 'cuda:0,cuda:1' or 'cuda:all' train on
        several.
    precision : str, default 'fp32'
        matrix products in 'fp32' or 'bf16', or on a GPU in 'tf32'.
    contamination : float, 0 to 0.5, default None
        share of the training rows that the threshold flags, as in scikit-learn and PyOD; None: the threshold that about
        5 % of new normal rows pass, found on rows that the models did not see, or the one of `false_alarm_rate`.
    categorical : list of str, default None
        of tables: columns of numbers that are categories.
    exclude : list of str, default None
        of tables: columns that are no features.
    include : list of str, default None
        of tables: columns that are features although they look like ids or dates.
    max_categories : int, default 1000
        of tables: more distinct texts in a column are an error.
    checkpoint_directory : str, default None
        where a fit that Ctrl-C cancels leaves a checkpoint.
    resume : bool, default False
        continue from the checkpoint in that directory, if there is one.
    verbose : int, default 0
        1: a progress bar of tqdm if it is installed, else lines of the logger 'cugad'.
    """

    def __init__(self, *, method: str | list[str] | None = None, preset: str | None = None,
                 population: int | None = None, image: str | None = None, flip: bool | None = None,
                 shift: int | None = None, log1p: list[Any] | None = None, scale: str | None = None,
                 centre: bool | None = None, deduplicate: bool | None = None, trim: float | None = None,
                 latent: int | None = None, generator_hidden: list[Any] | None = None,
                 discriminator_hidden: list[Any] | None = None, slope: float | None = None,
                 discriminator_dropout: float | None = None, generator_dropout: float | None = None,
                 generator_tanh: bool | None = None, encoder_hidden: list[Any] | None = None,
                 encoder_tanh: bool | None = None, data_branch: list[Any] | None = None,
                 latent_branch: list[Any] | None = None, cycle_hidden: list[Any] | None = None,
                 latent_cycle_hidden: list[Any] | None = None, cycle_dropout: float | None = None,
                 batch_norm: bool | None = None, spectral_norm: bool | None = None,
                 minibatch_kernels: int | None = None, minibatch_dimensions: int | None = None,
                 virtual_batch: int | None = None, condition: list[Any] | None = None, target: list[Any] | None = None,
                 reference_rows: int | None = None, steps: int | None = None, epochs: int | None = None,
                 batch: int | None = None, generator_learning_rate: float | None = None,
                 discriminator_learning_rate: float | None = None, beta1: float | None = None,
                 beta2: float | None = None, adam_form: str | None = None, final_rate: float | None = None,
                 decay_steps: int | None = None, average_decay: float | None = None,
                 average_discriminator: bool | None = None, discriminator_steps: int | None = None,
                 generator_loss: str | None = None, label_smoothing: float | None = None, r1: float | None = None,
                 r1_every: int | None = None, coverage: float | None = None, coverage_rows: int | None = None,
                 negatives: float | None = None, historical_averaging: float | None = None,
                 adversarial: float | None = None, reconstruction: float | None = None,
                 latent_cycle: float | None = None, contextual: float | None = None,
                 latent_discriminator: bool | None = None, gradient_penalty: float | None = None,
                 encoder_training: str | None = None, encoder_steps: int | None = None,
                 encoder_learning_rate: float | None = None, kappa: float | None = None, patience: int | None = None,
                 search_steps: int | None = None, search_rate: list[Any] | None = None,
                 search_until: list[Any] | None = None, search_from: str | None = None, restarts: int | None = None,
                 bank_rows: int | None = None, discrimination: str | None = None, lambda_: float | None = None,
                 residual: str | None = None, prior_weight: float | None = None, latent_weight: float | None = None,
                 latent_clip: float | None = None, score_rule: str | None = None, judged_pair: str | None = None,
                 column_spread: bool | None = None, standardise: bool | None = None, neighbours: int | None = None,
                 discriminator_weight: float | None = None, novelty: float | None = None, compress: bool | None = None,
                 false_alarm_rate: float | None = None, folds: int | None = None, fold: int | None = None,
                 random_state: Any = None, n_jobs: int | None = None, device: str = 'auto', precision: str = 'fp32',
                 contamination: float | None = None, categorical: list[str] | None = None,
                 exclude: list[str] | None = None, include: list[str] | None = None, max_categories: int = 1000,
                 checkpoint_directory: str | None = None, resume: bool = False, verbose: int = 0) -> None:
        self.method = method
        self.preset = preset
        self.population = population
        self.image = image
        self.flip = flip
        self.shift = shift
        self.log1p = log1p
        self.scale = scale
        self.centre = centre
        self.deduplicate = deduplicate
        self.trim = trim
        self.latent = latent
        self.generator_hidden = generator_hidden
        self.discriminator_hidden = discriminator_hidden
        self.slope = slope
        self.discriminator_dropout = discriminator_dropout
        self.generator_dropout = generator_dropout
        self.generator_tanh = generator_tanh
        self.encoder_hidden = encoder_hidden
        self.encoder_tanh = encoder_tanh
        self.data_branch = data_branch
        self.latent_branch = latent_branch
        self.cycle_hidden = cycle_hidden
        self.latent_cycle_hidden = latent_cycle_hidden
        self.cycle_dropout = cycle_dropout
        self.batch_norm = batch_norm
        self.spectral_norm = spectral_norm
        self.minibatch_kernels = minibatch_kernels
        self.minibatch_dimensions = minibatch_dimensions
        self.virtual_batch = virtual_batch
        self.condition = condition
        self.target = target
        self.reference_rows = reference_rows
        self.steps = steps
        self.epochs = epochs
        self.batch = batch
        self.generator_learning_rate = generator_learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.adam_form = adam_form
        self.final_rate = final_rate
        self.decay_steps = decay_steps
        self.average_decay = average_decay
        self.average_discriminator = average_discriminator
        self.discriminator_steps = discriminator_steps
        self.generator_loss = generator_loss
        self.label_smoothing = label_smoothing
        self.r1 = r1
        self.r1_every = r1_every
        self.coverage = coverage
        self.coverage_rows = coverage_rows
        self.negatives = negatives
        self.historical_averaging = historical_averaging
        self.adversarial = adversarial
        self.reconstruction = reconstruction
        self.latent_cycle = latent_cycle
        self.contextual = contextual
        self.latent_discriminator = latent_discriminator
        self.gradient_penalty = gradient_penalty
        self.encoder_training = encoder_training
        self.encoder_steps = encoder_steps
        self.encoder_learning_rate = encoder_learning_rate
        self.kappa = kappa
        self.patience = patience
        self.search_steps = search_steps
        self.search_rate = search_rate
        self.search_until = search_until
        self.search_from = search_from
        self.restarts = restarts
        self.bank_rows = bank_rows
        self.discrimination = discrimination
        self.lambda_ = lambda_
        self.residual = residual
        self.prior_weight = prior_weight
        self.latent_weight = latent_weight
        self.latent_clip = latent_clip
        self.score_rule = score_rule
        self.judged_pair = judged_pair
        self.column_spread = column_spread
        self.standardise = standardise
        self.neighbours = neighbours
        self.discriminator_weight = discriminator_weight
        self.novelty = novelty
        self.compress = compress
        self.false_alarm_rate = false_alarm_rate
        self.folds = folds
        self.fold = fold
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.precision = precision
        self.contamination = contamination
        self.categorical = categorical
        self.exclude = exclude
        self.include = include
        self.max_categories = max_categories
        self.checkpoint_directory = checkpoint_directory
        self.resume = resume
        self.verbose = verbose


class FleetParameters(DetectorParameters):
    """The parameters of a fleet, besides those of its detectors.

    Parameters
    ----------
    groups : str, default None
        of tables: the column that names each row's group; of arrays `fit` takes the groups.
    minimum_rows : int, default 50
        groups with fewer training rows are scored by the pooled model.
    pooled_rows : int, default 100000
        most training rows of the pooled model.
    group_seed : str, default 'name'
        what a group's seed follows from: its 'name', or its 'position' among the groups, as in older versions.
    """

    def __init__(self, *, groups: str | None = None, minimum_rows: int = 50, pooled_rows: int = 100000,
                 group_seed: str = 'name', method: str | list[str] | None = None, preset: str | None = None,
                 population: int | None = None, image: str | None = None, flip: bool | None = None,
                 shift: int | None = None, log1p: list[Any] | None = None, scale: str | None = None,
                 centre: bool | None = None, deduplicate: bool | None = None, trim: float | None = None,
                 latent: int | None = None, generator_hidden: list[Any] | None = None,
                 discriminator_hidden: list[Any] | None = None, slope: float | None = None,
                 discriminator_dropout: float | None = None, generator_dropout: float | None = None,
                 generator_tanh: bool | None = None, encoder_hidden: list[Any] | None = None,
                 encoder_tanh: bool | None = None, data_branch: list[Any] | None = None,
                 latent_branch: list[Any] | None = None, cycle_hidden: list[Any] | None = None,
                 latent_cycle_hidden: list[Any] | None = None, cycle_dropout: float | None = None,
                 batch_norm: bool | None = None, spectral_norm: bool | None = None,
                 minibatch_kernels: int | None = None, minibatch_dimensions: int | None = None,
                 virtual_batch: int | None = None, condition: list[Any] | None = None, target: list[Any] | None = None,
                 reference_rows: int | None = None, steps: int | None = None, epochs: int | None = None,
                 batch: int | None = None, generator_learning_rate: float | None = None,
                 discriminator_learning_rate: float | None = None, beta1: float | None = None,
                 beta2: float | None = None, adam_form: str | None = None, final_rate: float | None = None,
                 decay_steps: int | None = None, average_decay: float | None = None,
                 average_discriminator: bool | None = None, discriminator_steps: int | None = None,
                 generator_loss: str | None = None, label_smoothing: float | None = None, r1: float | None = None,
                 r1_every: int | None = None, coverage: float | None = None, coverage_rows: int | None = None,
                 negatives: float | None = None, historical_averaging: float | None = None,
                 adversarial: float | None = None, reconstruction: float | None = None,
                 latent_cycle: float | None = None, contextual: float | None = None,
                 latent_discriminator: bool | None = None, gradient_penalty: float | None = None,
                 encoder_training: str | None = None, encoder_steps: int | None = None,
                 encoder_learning_rate: float | None = None, kappa: float | None = None, patience: int | None = None,
                 search_steps: int | None = None, search_rate: list[Any] | None = None,
                 search_until: list[Any] | None = None, search_from: str | None = None, restarts: int | None = None,
                 bank_rows: int | None = None, discrimination: str | None = None, lambda_: float | None = None,
                 residual: str | None = None, prior_weight: float | None = None, latent_weight: float | None = None,
                 latent_clip: float | None = None, score_rule: str | None = None, judged_pair: str | None = None,
                 column_spread: bool | None = None, standardise: bool | None = None, neighbours: int | None = None,
                 discriminator_weight: float | None = None, novelty: float | None = None, compress: bool | None = None,
                 false_alarm_rate: float | None = None, folds: int | None = None, fold: int | None = None,
                 random_state: Any = None, n_jobs: int | None = None, device: str = 'auto', precision: str = 'fp32',
                 contamination: float | None = None, categorical: list[str] | None = None,
                 exclude: list[str] | None = None, include: list[str] | None = None, max_categories: int = 1000,
                 checkpoint_directory: str | None = None, resume: bool = False, verbose: int = 0) -> None:
        super().__init__(method=method, preset=preset, population=population, image=image, flip=flip, shift=shift,
                         log1p=log1p, scale=scale, centre=centre, deduplicate=deduplicate, trim=trim, latent=latent,
                         generator_hidden=generator_hidden, discriminator_hidden=discriminator_hidden, slope=slope,
                         discriminator_dropout=discriminator_dropout, generator_dropout=generator_dropout,
                         generator_tanh=generator_tanh, encoder_hidden=encoder_hidden, encoder_tanh=encoder_tanh,
                         data_branch=data_branch, latent_branch=latent_branch, cycle_hidden=cycle_hidden,
                         latent_cycle_hidden=latent_cycle_hidden, cycle_dropout=cycle_dropout, batch_norm=batch_norm,
                         spectral_norm=spectral_norm, minibatch_kernels=minibatch_kernels,
                         minibatch_dimensions=minibatch_dimensions, virtual_batch=virtual_batch, condition=condition,
                         target=target, reference_rows=reference_rows, steps=steps, epochs=epochs, batch=batch,
                         generator_learning_rate=generator_learning_rate,
                         discriminator_learning_rate=discriminator_learning_rate, beta1=beta1, beta2=beta2,
                         adam_form=adam_form, final_rate=final_rate, decay_steps=decay_steps,
                         average_decay=average_decay, average_discriminator=average_discriminator,
                         discriminator_steps=discriminator_steps, generator_loss=generator_loss,
                         label_smoothing=label_smoothing, r1=r1, r1_every=r1_every, coverage=coverage,
                         coverage_rows=coverage_rows, negatives=negatives, historical_averaging=historical_averaging,
                         adversarial=adversarial, reconstruction=reconstruction, latent_cycle=latent_cycle,
                         contextual=contextual, latent_discriminator=latent_discriminator,
                         gradient_penalty=gradient_penalty, encoder_training=encoder_training,
                         encoder_steps=encoder_steps, encoder_learning_rate=encoder_learning_rate, kappa=kappa,
                         patience=patience, search_steps=search_steps, search_rate=search_rate,
                         search_until=search_until, search_from=search_from, restarts=restarts, bank_rows=bank_rows,
                         discrimination=discrimination, lambda_=lambda_, residual=residual, prior_weight=prior_weight,
                         latent_weight=latent_weight, latent_clip=latent_clip, score_rule=score_rule,
                         judged_pair=judged_pair, column_spread=column_spread, standardise=standardise,
                         neighbours=neighbours, discriminator_weight=discriminator_weight, novelty=novelty,
                         compress=compress, false_alarm_rate=false_alarm_rate, folds=folds, fold=fold,
                         random_state=random_state, n_jobs=n_jobs, device=device, precision=precision,
                         contamination=contamination, categorical=categorical, exclude=exclude, include=include,
                         max_categories=max_categories, checkpoint_directory=checkpoint_directory, resume=resume,
                         verbose=verbose)
        self.groups = groups
        self.minimum_rows = minimum_rows
        self.pooled_rows = pooled_rows
        self.group_seed = group_seed
