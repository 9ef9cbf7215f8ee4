"""The Python of the gRPC protocol, from its ``.proto``: messages for the replica, types for mypy."""

from base64 import b64encode
from functools import cache
from pathlib import Path
from subprocess import run
from sys import executable
from tempfile import TemporaryDirectory

PROTO = Path("services/serving/replica/inference.proto")

MODULE = '''"""The messages of {proto}, written from it by `python -m docs.generate`.

They live in a descriptor pool of their own: a client of the same public protocol in the same process, such as
tritonclient, brings messages of the same names.
"""

from base64 import b64decode

from google.protobuf import descriptor_pool
from google.protobuf.internal import builder

DESCRIPTOR = descriptor_pool.DescriptorPool().AddSerializedFile(
    b64decode(
{file}
    )
)

builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
'''
LETTERS_PER_LINE = 100


@cache
def inference_protocol(root: Path) -> dict[Path, str]:
    """Compile the protocol: the module's text and its types', by path."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    with TemporaryDirectory() as made:
        descriptors = Path(made) / "descriptors"
        options = ("-I.", f"--pyi_out={made}", f"--descriptor_set_out={descriptors}")
        run([executable, "-m", "grpc_tools.protoc", *options, str(PROTO)], check=True, cwd=root)  # noqa: S603
        types = Path(made) / PROTO.with_name("inference_pb2.pyi")
        file = FileDescriptorSet.FromString(descriptors.read_bytes()).file[0].SerializeToString()
        letters = b64encode(file).decode()
        lines = [letters[start : start + LETTERS_PER_LINE] for start in range(0, len(letters), LETTERS_PER_LINE)]
        module = MODULE.format(proto=PROTO.name, file="\n".join(f'        "{line}"' for line in lines))
        return {PROTO.with_name("inference_pb2.py"): module, PROTO.with_name("inference_pb2.pyi"): types.read_text()}
