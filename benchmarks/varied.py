"""Runs that are made up, but differ from each other as those of agents do: what is alike would be packed too well."""

import random
from typing import Any, Final

from runweaver.producer import ActiveRun, Producer

_TEXT: Final = """
account address advice agent amount answer appointment approval archive arrival article attempt balance bank batch
booking branch brief budget building calendar call campaign cancel capacity card case category change channel charge
claim client code color comment company complaint condition confirm contact contract copy cost country coupon credit
customer damage date deadline decline delay delivery demand department deposit desk detail device discount dispute
district document draft driver duty email employee engine entry error estimate event evidence example exchange expense
expert export factor family feature fee field figure file filter finance flight folder form forward freight fuel
function garage gate goods group guarantee guest history holiday hotel hour house image import income industry inquiry
insurance interest invoice issue item journey kitchen label lawyer layout leader lease ledger letter level license
limit line list loan location luggage machine manager manual margin market material meeting member message method
meter minute mistake mobile model module month motor network notice number offer office operator opinion option order
outcome owner package page parcel partner passenger patient pattern payment period permit person phone picture plan
platform policy position postage premium price priority problem process product profile project proof property
provider purchase quality quantity question quota range rate reason receipt record refund region reminder rental
repair reply report request reserve response result return review reward room route rule salary sample schedule school
score season seat section sector sender service session shipment shop signature site size source staff stage station
statement status stock storage street student subject supplier supply support survey system target task tax team
telephone template tenant ticket title topic total tour tracking trade traffic training transfer transport
"""
_WORDS: Final = tuple(_TEXT.split())

_NODES: Final = 12


class Agent:
    """Makes up runs. The same seed gives the same, but for ids and times."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def report_run(self, producer: Producer, messages: int, *, ends: bool = True) -> str:
        """Send a run of so many messages: a beginning, decisions and outcomes in turn, and an end, or none yet.

        Returns:
            Its id.
        """
        goal_id = f"goal-{self._random.randrange(20)}"
        run = producer.start_run(goal_id, self._text(5), input_data={"case": self._number(), "about": self._text(6)})
        for _ in range(messages // 2 - 1):
            self._report_decision(run)
        if ends:
            run.end(output_data={"answer": self._text(8)})
        return run.run_id

    def _report_decision(self, run: ActiveRun) -> None:
        options = [self._option(name) for name in self._random.sample(_WORDS, 2)]
        decision_id = run.decide(
            f"{self._text(8)}?".capitalize(),
            options,
            self._random.choice(options)["id"],
            f"{self._text(self._random.randint(12, 26))}.".capitalize(),
            node_id=f"node-{self._random.randrange(_NODES)}",
            decision_type="tool_selection",
            input_context={"case": self._number(), "notes": self._text(self._random.randint(4, 12))},
        )
        run.record_outcome(
            decision_id,
            success=self._random.random() < 0.9,  # noqa: PLR2004 - most of them
            summary=self._text(4).capitalize(),
            tokens_used=self._random.randint(50, 3_000),
            latency_ms=self._random.randint(80, 9_000),
        )

    def _option(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "description": self._text(4).capitalize(),
            "action_type": "tool_call",
            "action_params": {"to": self._number(), "what": self._text(2)},
        }

    def _text(self, words: int) -> str:
        return " ".join(self._random.choices(_WORDS, k=words))

    def _number(self) -> str:
        return f"{self._random.getrandbits(40):010x}"
