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
# # A character transformer
#
# A language model that predicts the next character of Shakespeare's plays. It consists of blocks of causal attention
# and is trained by `fit`. Then it writes text in one compiled loop, with a cache of the keys and values of earlier
# positions. A. Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
#
# To run it in a clone of the repository: `pip install '.[notebooks]' jupyterlab`, then `jupyter lab`. On a GPU or TPU
# the model computes in bfloat16; on a CPU it is smaller. It uses Tiny Shakespeare if it can be found or downloaded,
# otherwise four sonnets. The script `character_transformer.py` has the same cells.

# %%
import math
import os
import textwrap

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxlayers as jl
from jaxlayers import layers

# %% [markdown]
# ## Size
#
# `full` on an accelerator, `small` on a CPU. The environment variable `JAXLAYERS_NOTEBOOK_SIZE` overrides it. With
# the dtype policy `mixed_bfloat16`, weights are stored in float32 and layers compute in bfloat16.

# %%
SIZE = os.environ.get("JAXLAYERS_NOTEBOOK_SIZE") or ("small" if jax.default_backend() == "cpu" else "full")
BLOCKS, WIDTH, HEADS, LENGTH, BATCH, STEPS, EPOCHS, DROPOUT = {
    "full": (6, 384, 6, 256, 64, 500, 10, 0.2),
    "small": (3, 96, 4, 96, 24, 125, 8, 0.0),
    "tiny": (2, 32, 2, 32, 16, 20, 4, 0.0),
}[SIZE]
POLICY = "float32" if jax.default_backend() == "cpu" else "mixed_bfloat16"
jl.config.set_dtype_policy(POLICY)
jl.utils.set_random_seed(0)
print(f"size {SIZE!r}, {POLICY}: {BLOCKS} blocks of width {WIDTH}, {LENGTH} characters at a time")

# %% [markdown]
# ## The text

# %%
SONNETS = """\
Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade
Nor lose possession of that fair thou owest;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou growest:
So long as men can breathe or eyes can see,
So long lives this and this gives life to thee.

When, in disgrace with fortune and men's eyes,
I all alone beweep my outcast state
And trouble deaf heaven with my bootless cries
And look upon myself and curse my fate,
Wishing me like to one more rich in hope,
Featured like him, like him with friends possess'd,
Desiring this man's art and that man's scope,
With what I most enjoy contented least;
Yet in these thoughts myself almost despising,
Haply I think on thee, and then my state,
Like to the lark at break of day arising
From sullen earth, sings hymns at heaven's gate;
For thy sweet love remember'd such wealth brings
That then I scorn to change my state with kings.

Let me not to the marriage of true minds
Admit impediments. Love is not love
Which alters when it alteration finds,
Or bends with the remover to remove:
O no! it is an ever-fixed mark
That looks on tempests and is never shaken;
It is the star to every wandering bark,
Whose worth's unknown, although his height be taken.
Love's not Time's fool, though rosy lips and cheeks
Within his bending sickle's compass come:
Love alters not with his brief hours and weeks,
But bears it out even to the edge of doom.
If this be error and upon me proved,
I never writ, nor no man ever loved.

My mistress' eyes are nothing like the sun;
Coral is far more red than her lips' red;
If snow be white, why then her breasts are dun;
If hairs be wires, black wires grow on her head.
I have seen roses damask'd, red and white,
But no such roses see I in her cheeks;
And in some perfumes is there more delight
Than in the breath that from my mistress reeks.
I love to hear her speak, yet well I know
That music hath a far more pleasing sound;
I grant I never saw a goddess go;
My mistress, when she walks, treads on the ground:
And yet, by heaven, I think my love as rare
As any she belied with false compare.
"""


def load():
    if SIZE != "tiny":
        try:
            return "Tiny Shakespeare", jl.datasets.tiny_shakespeare.load_data()
        except ConnectionError:
            print("Tiny Shakespeare was not found.")
    return "four sonnets", SONNETS


name, text = load()
alphabet = sorted(set(text))
numbers = {character: number for number, character in enumerate(alphabet)}


def to_tokens(text):
    return np.array([numbers[character] for character in text], "int32")


def to_text(tokens):
    return "".join(alphabet[token] for token in np.asarray(tokens))


tokens = to_tokens(text)
cut = int(0.9 * len(tokens))
LENGTH = min(LENGTH, len(tokens) // 20)  # a window must fit into the validation part of a short text
print(f"{name}: {len(text):,} characters, {len(alphabet)} different ones\n")
print(textwrap.indent(text[:200], "    "))

# %% [markdown]
# The model takes windows of the text and predicts the next character at each position. An epoch is a fixed number of
# batches of random windows from the first nine tenths of the text; the rest is for validation.


# %%
def windows(tokens, starts):
    rows = tokens[np.asarray(starts)[:, None] + np.arange(LENGTH + 1)]
    return rows[:, :-1], rows[:, 1:]


def batches(seed=0):
    rng = np.random.default_rng(seed)
    while True:
        yield windows(tokens[:cut], rng.integers(0, cut - LENGTH, BATCH))


held_back = windows(tokens[cut:], np.arange(0, len(tokens) - cut - LENGTH, LENGTH)[:200])
print(f"{len(held_back[0])} windows of {LENGTH} characters are held back")

# %% [markdown]
# ## The model
#
# A block adds two terms to its input: attention over earlier positions, then a small network applied to each
# position. `decode` of a block does the same as `call` for the next characters only, with the keys and values of the
# characters before them from a cache.


# %%
class Block(layers.Layer):
    def __init__(self, width, heads, dropout, **kwargs):
        super().__init__(**kwargs)
        self.before_attention, self.before_network = layers.LayerNormalization(), layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.network = jl.Sequential([layers.Dense(4 * width, activation="gelu"), layers.Dense(width)])
        self.dropout = layers.Dropout(dropout)

    def call(self, x, training=False):
        h = self.before_attention(x)
        x = x + self.dropout(self.attention(h, h, use_causal_mask=True), training=training)
        return self.after(x, training)

    def after(self, x, training=False):
        return x + self.dropout(self.network(self.before_network(x)), training=training)

    def scores(self, x):
        h = self.before_attention(x)
        return self.attention(h, h, use_causal_mask=True, return_attention_scores=True)[1]

    def decode(self, x, cache, index):
        attended, cache = self.attention.decode(self.before_attention(x), cache, index)
        return self.after(x + attended), cache


class LanguageModel(jl.Model):
    def __init__(self, characters, length, blocks, width, heads, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.length = length
        self.characters, self.positions = layers.Embedding(characters, width), layers.Embedding(length, width)
        self.blocks = [Block(width, heads, dropout) for _ in range(blocks)]
        self.normalization = layers.LayerNormalization()
        self.logits = layers.Dense(characters, dtype="float32")

    def embed(self, tokens, index=0):
        return self.characters(tokens) + self.positions(index + jnp.arange(tokens.shape[1]))

    def call(self, tokens, training=False):  # [batch, steps] -> [batch, steps, characters]
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, training=training)
        return self.logits(self.normalization(x))

    def scores(self, tokens):  # [blocks, batch, heads, steps, steps]
        x, scores = self.embed(tokens), []
        for block in self.blocks:
            scores.append(block.scores(x))
            x = block(x)
        return jnp.stack(scores)

    def init_cache(self, batch):
        return [block.attention.init_cache(batch, self.length) for block in self.blocks]

    def decode(self, tokens, caches, index):
        x, new = self.embed(tokens, index), []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.decode(x, cache, index)
            new.append(cache)
        return self.logits(self.normalization(x)), new


model = LanguageModel(len(alphabet), LENGTH, BLOCKS, WIDTH, HEADS, DROPOUT)

# %% [markdown]
# ## Training
#
# The learning rate increases linearly at first, then decreases along a cosine. Perplexity is the exponential of the
# loss: the number of equally likely characters with the same uncertainty. For a uniform guess it is the size of the
# alphabet.

# %%
schedule = jl.optimizers.schedules.CosineDecay(
    0.0, EPOCHS * STEPS, alpha=0.02, warmup_target=3e-3 if SIZE != "full" else 1e-3, warmup_steps=STEPS // 2
)
model.compile(
    optimizer=jl.optimizers.AdamW(schedule, weight_decay=0.05, beta_2=0.98, global_clipnorm=1.0),
    loss=jl.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(batches(), steps_per_epoch=STEPS, epochs=EPOCHS, validation_data=held_back, verbose=0)
losses = history.history["loss"]
figure = history.plot(["loss", "accuracy"])
before, after = (math.exp(history.history["val_loss"][epoch]) for epoch in (0, -1))
print(f"perplexity of the part held back: {before:.2f} after one epoch, {after:.2f} in the end, of {len(alphabet)}")

# %%
figure, panel = plt.subplots(figsize=(5, 2.6), layout="constrained")
panel.plot([float(schedule(number)) for number in range(EPOCHS * STEPS)])
texts = panel.set(title="learning rate", xlabel="step")

# %% [markdown]
# ## Writing
#
# The prompt is read in one call, then the text is written character by character. All of this is one compiled
# program: the loop is `jl.scan`, which carries the caches. A temperature below one makes likely characters more
# likely; each row of the batch has its own.


# %%
@jl.jit
def write(prompt, temperatures, key):  # [batch, some], [batch] -> [batch, length]
    batch, start = prompt.shape
    logits, caches = model.decode(prompt, model.init_cache(batch), 0)

    def write_next(carry, index):
        logits, caches = carry
        drawn = jax.random.categorical(jax.random.fold_in(key, index), logits / temperatures[:, None])
        logits, caches = model.decode(drawn[:, None], caches, index)
        return (logits[:, -1], caches), drawn

    _, written = jl.scan(write_next, (logits[:, -1], caches), jnp.arange(start, LENGTH))
    return jnp.concatenate([prompt, written.T], axis=1)


temperatures = np.array([0.5, 0.8, 1.1], "float32")
prompt = np.tile(to_tokens("\nAnd "), (len(temperatures), 1))
for number in range(2):
    for temperature, row in zip(temperatures, write(prompt, temperatures, jax.random.key(number)), strict=True):
        print(f"temperature {temperature:.1f}:\n{textwrap.indent(to_text(row).strip(), '    ')}\n")

# %% [markdown]
# Reading character by character with caches gives the same logits as reading all characters at once.

# %%
some = held_back[0][:2]
caches, steps = model.init_cache(len(some)), []
for index in range(8):
    logits, caches = model.decode(some[:, index : index + 1], caches, index)
    steps.append(logits)
gap = float(jnp.abs(jnp.concatenate(steps, axis=1) - model(some)[:, :8]).max())
print("largest difference below 0.001:", gap < 1e-3 if POLICY == "float32" else gap < 0.2)

# %% [markdown]
# ## Attention weights
#
# The weights of three heads of the last block: for each position (rows), the weights of the positions before it
# (columns).

# %%
line = held_back[0][0][: min(32, LENGTH)]
weights = np.array(model.scores(line[None])[-1, 0], "float32")  # [heads, steps, steps]
labels = [character if character != "\n" else "\u21b5" for character in to_text(line)]
shown = weights[:3]
figure, panels = plt.subplots(1, len(shown), figsize=(4.6 * len(shown), 4.8), layout="constrained", squeeze=False)
for head, (panel, scores) in enumerate(zip(panels[0], shown, strict=True)):
    panel.imshow(np.sqrt(scores), cmap="Purples", vmin=0, vmax=1)
    panel.set_xticks(range(len(line)), labels, fontsize=8, family="monospace")
    panel.set_yticks(range(len(line)), labels, fontsize=8, family="monospace")
    panel.set(title=f"head {head + 1}")

# %% [markdown]
# ## Information of each character
#
# The negative log probability of each character in bits, given the characters before it. The first characters of a
# word have more bits than its last ones.

# %%
inputs, targets = (part[:1] for part in held_back)
log_probabilities = jax.nn.log_softmax(model(inputs))[0]
bits = -np.array(jnp.take_along_axis(log_probabilities, targets[0][:, None], axis=-1)[:, 0]) / math.log(2)
few = min(64, LENGTH)
figure, panel = plt.subplots(figsize=(11, 2.6), layout="constrained")
panel.bar(range(few), bits[:few], color=plt.get_cmap("viridis_r")(np.clip(bits[:few] / 8, 0, 1)))
names = [character if character != "\n" else "\u21b5" for character in to_text(targets[0][:few])]
panel.set_xticks(range(few), names, fontsize=9, family="monospace")
panel.set(ylabel="bits", title=f"{bits.mean():.2f} bits a character here")
panel.margins(x=0.01)
