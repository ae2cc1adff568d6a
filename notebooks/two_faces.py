# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Two faces of one layer
#
# A jaxlayers layer is an object with weights, used as in Keras, and a pair of pure functions, used as in Flax or
# Haiku. This notebook does the same thing both ways: it fits a sine with a small network.

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxlayers as jl
from jaxlayers import layers

x = np.linspace(-3, 3, 256, dtype="float32")[:, None]
y = np.sin(2 * x)


def make():
    return jl.Sequential([layers.Dense(32, activation="tanh"), layers.Dense(32, activation="tanh"), layers.Dense(1)])


# %% [markdown]
# ## The object
#
# `compile` and `fit`, as in Keras.

# %%
jl.utils.set_random_seed(0)
model = make()
model.compile(optimizer=jl.optimizers.Adam(1e-2), loss="mse")
history = model.fit(x, y, batch_size=32, epochs=40, verbose=0)
print(f"mean squared error: {history.history['loss'][0]:.3f} at first, {history.history['loss'][-1]:.5f} in the end")

# %% [markdown]
# ## A loop of your own, compiled
#
# `jl.jit` finds the model and the optimizer that the function uses; nothing has to be handed in or out.

# %%
model, optimizer = make(), jl.optimizers.Adam(1e-2)
mse = jl.losses.MeanSquaredError()


@jl.jit
def step(x, y):
    loss, gradients = jl.value_and_grad(lambda: mse(y, model(x, training=True)), wrt=model.trainable_weights)()
    optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    return loss


model.build(x.shape)
for epoch in range(40):
    for batch in jl.data.ArrayLoader((x, y), batch_size=32, shuffle=True, seed=epoch):
        loss = step(*batch)
print(f"mean squared error: {float(mse(y, model(x))):.5f} after {int(optimizer.iterations.value)} steps")

# %% [markdown]
# ## The pure functions
#
# `init` makes the weights as plain trees, `apply` computes with them, and everything JAX can do to a function it can
# do to these. Here: eight networks trained at once under `jax.vmap`.

# %%
net, adam = make(), optax.adam(1e-2)


def train(key):
    params, state = net.init(key, x)

    def loss(params):
        return jnp.mean((net.apply(params, state, x).outputs - y) ** 2)

    def one(carry, _):
        params, slots = carry
        value, gradients = jax.value_and_grad(loss)(params)
        updates, slots = adam.update(gradients, slots)
        return (optax.apply_updates(params, updates), slots), value

    (params, _), losses = jax.lax.scan(one, (params, adam.init(params)), None, length=300)
    return params, losses


ensemble, losses = jax.jit(jax.vmap(train))(jax.random.split(jax.random.key(0), 8))
print("mean squared errors:", np.array(losses[:, -1]).round(4))

# %% [markdown]
# ## From one to the other
#
# The best of the eight becomes what the object holds.

# %%
best = int(np.argmin(losses[:, -1]))
model.params = jax.tree.map(lambda leaves: leaves[best], ensemble)
prediction = model.predict(x, verbose=0)
print(f"mean squared error of the object now: {np.mean((prediction - y) ** 2):.5f}")
