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
# # Two ways to use a layer
#
# A jaxlayers layer is an object with weights, used as in Keras, and a pair of pure functions, used as in Flax or
# Haiku. This notebook fits a sine with a small network in both ways.

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
# ## Your own compiled training loop
#
# `jl.jit` finds the variables of the model and the optimizer that the function uses. They are neither arguments nor
# return values.

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
# `init` makes the weights as nested dicts of arrays, and `apply` computes with them. All transformations of JAX work
# with these functions. Here `jax.vmap` trains eight networks at the same time.

# %%
net, adam = make(), optax.adam(1e-2)


def train(key):
    params, state = net.init(key, x)

    def loss(params):
        return jnp.mean((net.apply(params, state, x).outputs - y) ** 2)

    def step(carry, _):
        params, slots = carry
        value, gradients = jax.value_and_grad(loss)(params)
        updates, slots = adam.update(gradients, slots)
        return (optax.apply_updates(params, updates), slots), value

    (params, _), losses = jax.lax.scan(step, (params, adam.init(params)), None, length=300)
    return params, losses


ensemble, losses = jax.jit(jax.vmap(train))(jax.random.split(jax.random.key(0), 8))
print("mean squared errors:", np.array(losses[:, -1]).round(4))

# %% [markdown]
# ## From the functions back to the object
#
# Assign the weights of the best of the eight networks to the object.

# %%
best = int(np.argmin(losses[:, -1]))
model.params = jax.tree.map(lambda leaves: leaves[best], ensemble)
prediction = model.predict(x, verbose=0)
print(f"mean squared error of the object now: {np.mean((prediction - y) ** 2):.5f}")
