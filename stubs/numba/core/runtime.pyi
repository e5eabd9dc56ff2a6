class _Runtime:
    def initialize(self, ctx: object) -> None: ...

rtsys: _Runtime
