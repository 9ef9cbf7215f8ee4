"""Names for runs that nobody named."""

from random import Random

_QUALITIES = """
able agile amber ample bold brisk calm candid clear clever crisp deft eager early even fair fine fond frank free
fresh gentle glad grand handy hardy honest humble jolly keen kind late light lively loyal lucid lucky mellow merry
mild neat nimble noble open patient plain proud quick quiet rare ready rosy sharp shy silent sleek smooth snug
solid spry steady still stout sunny swift tidy tranquil true vivid warm wise witty young
"""
_BEINGS = """
auk badger bear beaver bee bison bittern boar carp cat cod colt crane crow deer dog dove duck eagle eel egret elk
falcon ferret finch fox frog gnu goat goose gull hare hawk heron horse ibis jay kite koala lark lemur lion lynx
magpie marten mole moose mouse newt ocelot orca otter owl panda perch pike puma quail rabbit ram raven robin seal
shrew shrike snail sole sparrow stoat stork swan swift tapir teal tern toad trout turtle vole walrus whale wolf
wren yak zebra
"""


def run_name(random: Random) -> str:
    """Make up a name: easy to say, and unlikely to be there twice among runs one looks at."""
    return f"{random.choice(_QUALITIES.split())}-{random.choice(_BEINGS.split())}-{random.randrange(1000)}"
