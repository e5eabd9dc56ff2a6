"""What thinc_nb uses: what compiled code links to."""

class _Runtime:
    def initialize(self, ctx: object) -> None: ...

rtsys: _Runtime
