import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from noema_training.arithmetic import attention, decoded, encoded, matrices, predicted, token_level
from noema_training.base_lcm import BaseLcm
from noema_training.space import Space
from noema_training.token_lm import TokenLm

DIM, LAYERS = 16, 2


def multiply_adds(function, *arguments) -> float:
    """As PyTorch counts them."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function(*arguments)
    return counter.get_total_flops() / 2


# The fused attention of the concept models' layers is not counted on a processor; the plain products of the space's are.


def test_rows_have_the_multiply_adds_that_pytorch_counts():
    space = Space(60, DIM, LAYERS, 2, 32)
    ids = torch.full((1, 7), 5)
    counted = multiply_adds(space.encoder, ids, torch.ones_like(ids))
    assert counted == encoded(space, 5)
    model = BaseLcm(DIM, DIM, 2, LAYERS, 24)
    counted = multiply_adds(model, torch.zeros(1, 6, DIM))
    assert counted == 6 * matrices(model)
    assert predicted(model, 6) - matrices(model) == 2 * 6 * DIM * LAYERS
    yardstick = TokenLm(60, DIM, LAYERS, 2, 24)
    counted = multiply_adds(lambda x: yardstick.logits(yardstick.hidden(x)), ids)
    assert counted == 7 * (matrices(yardstick) + 60 * DIM)


def test_words_cost_a_row_a_piece_and_attend_to_what_is_before_them():
    space, yardstick = Space(60, DIM, LAYERS, 2, 32), TokenLm(60, DIM, LAYERS, 2, 24)
    # Start, language and three pieces are five rows over 1 to 5 of them; the first is given, so four heads choose what comes next.
    # The sentence itself takes two products a layer, and a row alone attends to itself.
    steps = [multiply_adds(space.decoder, torch.full((1, 1), 5), torch.zeros(1, DIM)) for _ in range(5)]
    once, keys = 2 * LAYERS * DIM * DIM, sum(attention(DIM, LAYERS, keys - 1) for keys in range(1, 6))
    assert decoded(space, 3) == pytest.approx(sum(steps) - 4 * once + keys - 60 * DIM)
    assert token_level(yardstick, 3, 10) - token_level(yardstick, 3, 0) == 4 * attention(DIM, LAYERS, 10 * 4)
