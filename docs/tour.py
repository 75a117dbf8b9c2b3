# %% [markdown]
# # A tour of klayer
#
# Every cell runs in seconds: here, or in an editor that knows `# %%` from `docs/tour.py`, of which
# `tour.ipynb` is made. `# →` is what a cell prints, on every machine.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from klayer import KLayerClassifier, load_networks
from klayer.networks.gradient_check import check_gradients
from klayer.networks.network import Architecture

here = Path.cwd().resolve()
project = next(folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists())

# %% [markdown]
# ## The committed results
#
# `plots/seeds/NAME.csv` has a row for each trained network of an experiment. What does batch
# normalisation add to the test accuracy of the 3-layer network, seed by seed?

# %%
plain, with_bn = (
    pd.read_csv(project / f"plots/seeds/{name}.csv", index_col="seed")["test_accuracy"]
    for name in ("three_layer", "three_layer_bn")
)
gain = 100 * (with_bn - plain)
print(f"BN adds {gain.mean():.2f} points in the mean of {len(gain)} seeds")

# %% [markdown]
# The report's first picture, drawn from the same files: accuracy while training, a band of one
# standard deviation over the seeds.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for name, label in (("three_layer", "without BN"), ("three_layer_bn", "with BN")):
    curves = pd.read_csv(project / f"plots/train/{name}.csv", index_col="step")
    mean, std = 100 * curves["validation_accuracy"], 100 * curves["validation_accuracy_std"]
    left.plot(mean, label=label)
    left.fill_between(curves.index, mean - std, mean + std, alpha=0.2)
left.set(xlabel="step", ylabel="validation accuracy (%)")
left.legend()
right.bar(gain.index, gain)
right.set(xlabel="seed", ylabel="gain by BN (points)")
plt.show()

# %% [markdown]
# ## A network of your own
#
# 1,797 digits of 8 x 8 pixels, a quarter of them kept for the test.

# %%
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
network = KLayerClassifier(hidden_layer_sizes=(50, 50), max_iter=40, random_state=1)
network.fit(X_train, y_train)
print(f"{network.score(X_test, y_test):.4f}")
# → 0.9644

# %% [markdown]
# Change one number: nine layers. Without batch normalisation such a network learns less.

# %%
for batch_norm in (True, False):
    deep = KLayerClassifier((50, 30, 20, 20, 10, 10, 10, 10), batch_norm=batch_norm)
    deep.set_params(max_iter=40, random_state=1).fit(X_train, y_train)
    print(f"{batch_norm}: {deep.score(X_test, y_test):.4f}")
    plt.plot(deep.history_["epoch"], deep.history_["loss"], label=f"{batch_norm=}")
# → True: 0.9467
# → False: 0.8867
plt.xlabel("epoch")
plt.ylabel("loss (nats)")
plt.legend()
plt.show()

# %% [markdown]
# ## Are the gradients right?
#
# Every gradient of a small network with BN, against central differences in float64: the largest
# relative error.

# %%
architecture = Architecture(64, (6, 5), 10, ("affine", "batch_norm", "relu"))
generator = np.random.default_rng(1)
errors = check_gradients(architecture, X[:8] / 16, y[:8], l2=0.1, generator=generator)
print(max(error.relative for error in errors) < 1e-6)
# → True

# %% [markdown]
# ## Inside a trained network
#
# Its weights, biases and running averages by name; the first layer's weights are pictures of 8 x
# 8.

# %%
for name, values in network.arrays_.items():
    print(name, values.shape)
# → affine1.weight (50, 64)
# → batch_norm1.mean (50,)
figure, places = plt.subplots(2, 8, figsize=(8, 2.2))
for place, weights in zip(places.flat, network.arrays_["affine1.weight"], strict=False):
    place.imshow(weights.reshape(8, 8), cmap="RdBu")
    place.axis("off")
plt.show()

# %% [markdown]
# The networks of the study are files, which `make repro` leaves in `data/models/`.

# %%
path = project / "data/models/three_layer_bn.safetensors"
if path.exists():
    networks = load_networks(path)
    print(networks.classes, networks.arrays["affine1.weight"].shape)  # (seeds, units, pixels)
