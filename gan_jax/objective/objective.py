"""Both players' objectives: a game, and weighted terms beside it."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax

from gan_jax.objective.games import Game
from gan_jax.objective.terms import Term
from gan_jax.objective.view import View
from gan_jax.schedules import Schedule

if TYPE_CHECKING:
    from gan_jax.gan import Gan

Metrics = dict[str, jax.Array]
FAKE_LABELS = ("drawn", "real", "paired")


@dataclasses.dataclass(frozen=True)
class Objective:
    """What the players minimise: each its side of the game, plus its own terms.

    Attributes:
      game: see `games.Game`.
      terms: by the name under which a term is logged; those of weight 0 are left out.
      schedules: of terms' fields, by the names of the term and of its field.
    """

    game: Game
    terms: Mapping[str, Term] = dataclasses.field(default_factory=dict)
    schedules: Mapping[str, Mapping[str, Schedule]] = dataclasses.field(
        default_factory=dict
    )

    def check(self, gan: "Gan") -> None:
        """Raises ValueError("loss.FIELD ..." or "terms.NAME.FIELD ...")."""
        try:
            self.game.check()
        except ValueError as error:
            raise ValueError(f"loss.{error}") from None
        for name in self.counting:
            try:
                self._check_term(name, gan)
            except ValueError as error:
                raise ValueError(f"terms.{name}.{error}") from None
        for player in ("discriminator", "generator"):
            wishes = self._label_wishes(player)
            if gan.conditional and len(set(wishes.values())) > 1:
                what = ", ".join(f"{name} {kind!r}" for name, kind in wishes.items())
                raise ValueError(
                    "terms and loss ask for generated images of different classes: "
                    + what
                )

    def _check_term(self, name: str, gan: "Gan") -> None:
        """Raises ValueError("FIELD ..."), for values at the end of training too."""
        term = self.terms[name]
        if term.fake_labels not in FAKE_LABELS:
            known = ", ".join(map(repr, FAKE_LABELS))
            raise ValueError(f"fake_labels is {term.fake_labels!r}; known: {known}")
        last = {
            field: schedule.end
            for field, schedule in self.schedules.get(name, {}).items()
        }
        term.check(gan)
        dataclasses.replace(term, **last).check(gan)

    def fake_labels(self, player: str) -> str:
        """What classes the generated images of a player's update have."""
        return next(iter(self._label_wishes(player).values()), "drawn")

    @property
    def generator_compares_real(self) -> bool:
        """Whether the generator's loss needs the verdict on real images."""
        terms = self.of_player("generator").values()
        return self.game.compares_real or any(term.compares_real for term in terms)

    @property
    def needs_gradients(self) -> bool:
        """Whether a term of the discriminator asks for `View.gradients`."""
        terms = self.of_player("discriminator").values()
        return any(term.needs_gradients for term in terms)

    def discriminator(
        self, view: View, terms_key: jax.Array, *, held_out: bool = False
    ) -> tuple[jax.Array, Metrics]:
        """The loss, [], and what is logged of it.

        `discriminator_loss` is the game's alone. Accuracies are fractions: real images
        taken for real, generated ones for generated. `held_out` leaves out terms that
        say nothing of held-out images.
        """
        real_accuracy, fake_accuracy = self.game.accuracies(view)
        metrics = {
            "discriminator_loss": self.game.discriminator(view),
            "real_accuracy": real_accuracy,
            "fake_accuracy": fake_accuracy,
        }
        return self._with_terms("discriminator", metrics, view, terms_key, held_out)

    def generator(
        self, view: View, terms_key: jax.Array, *, held_out: bool = False
    ) -> tuple[jax.Array, Metrics]:
        """As `discriminator`, with `generator_loss`."""
        metrics = {"generator_loss": self.game.generator(view)}
        return self._with_terms("generator", metrics, view, terms_key, held_out)

    def of_player(self, player: str) -> dict[str, Term]:
        """The terms of a player that count."""
        return {
            name: term for name, term in self.counting.items() if term.player == player
        }

    @property
    def counting(self) -> dict[str, Term]:
        """The terms of both players that have a weight at some time in training."""
        return {
            name: term
            for name, term in self.terms.items()
            if term.weight or name in self.schedules
        }

    def _with_terms(self, player, metrics, view, terms_key, held_out):
        loss = metrics[f"{player}_loss"]
        for name, term in self.of_player(player).items():
            if held_out and not term.held_out:
                continue
            values = {
                field: schedule(getattr(term, field), view.progress.share)
                for field, schedule in self.schedules.get(name, {}).items()
            }
            if values:
                term = dataclasses.replace(term, **values)
            metrics[name] = term(view.of(name, terms_key))
            loss = loss + term.weight * metrics[name]
        return loss, metrics

    def _label_wishes(self, player: str) -> dict[str, str]:
        """What does not take generated images of any class, and what it asks."""
        readers: dict[str, Game | Term] = {"loss": self.game, **self.of_player(player)}
        return {
            name: reader.fake_labels
            for name, reader in readers.items()
            if reader.fake_labels != "drawn"
        }
