"""The messages of inference.proto, written from it by `python -m docs.generate`.

They live in a descriptor pool of their own: a client of the same public protocol in the same process, such as
tritonclient, brings messages of the same names.
"""

from base64 import b64decode

from google.protobuf import descriptor_pool
from google.protobuf.internal import builder

DESCRIPTOR = descriptor_pool.DescriptorPool().AddSerializedFile(
    b64decode(
        "CihzZXJ2aWNlcy9zZXJ2aW5nL3JlcGxpY2EvaW5mZXJlbmNlLnByb3RvEglpbmZlcmVuY2UiEwoRU2VydmVyTGl2ZVJlcXVlc3Qi"
        "KAoSU2VydmVyTGl2ZVJlc3BvbnNlEhIKBGxpdmUYASABKAhSBGxpdmUiFAoSU2VydmVyUmVhZHlSZXF1ZXN0IisKE1NlcnZlclJl"
        "YWR5UmVzcG9uc2USFAoFcmVhZHkYASABKAhSBXJlYWR5IkEKEU1vZGVsUmVhZHlSZXF1ZXN0EhIKBG5hbWUYASABKAlSBG5hbWUS"
        "GAoHdmVyc2lvbhgCIAEoCVIHdmVyc2lvbiIqChJNb2RlbFJlYWR5UmVzcG9uc2USFAoFcmVhZHkYASABKAhSBXJlYWR5IhcKFVNl"
        "cnZlck1ldGFkYXRhUmVxdWVzdCJmChZTZXJ2ZXJNZXRhZGF0YVJlc3BvbnNlEhIKBG5hbWUYASABKAlSBG5hbWUSGAoHdmVyc2lv"
        "bhgCIAEoCVIHdmVyc2lvbhIeCgpleHRlbnNpb25zGAMgAygJUgpleHRlbnNpb25zIkQKFE1vZGVsTWV0YWRhdGFSZXF1ZXN0EhIK"
        "BG5hbWUYASABKAlSBG5hbWUSGAoHdmVyc2lvbhgCIAEoCVIHdmVyc2lvbiLPAgoVTW9kZWxNZXRhZGF0YVJlc3BvbnNlEhIKBG5h"
        "bWUYASABKAlSBG5hbWUSGgoIdmVyc2lvbnMYAiADKAlSCHZlcnNpb25zEhoKCHBsYXRmb3JtGAMgASgJUghwbGF0Zm9ybRJHCgZp"
        "bnB1dHMYBCADKAsyLy5pbmZlcmVuY2UuTW9kZWxNZXRhZGF0YVJlc3BvbnNlLlRlbnNvck1ldGFkYXRhUgZpbnB1dHMSSQoHb3V0"
        "cHV0cxgFIAMoCzIvLmluZmVyZW5jZS5Nb2RlbE1ldGFkYXRhUmVzcG9uc2UuVGVuc29yTWV0YWRhdGFSB291dHB1dHMaVgoOVGVu"
        "c29yTWV0YWRhdGESEgoEbmFtZRgBIAEoCVIEbmFtZRIaCghkYXRhdHlwZRgCIAEoCVIIZGF0YXR5cGUSFAoFc2hhcGUYAyADKANS"
        "BXNoYXBlIp0IChFNb2RlbEluZmVyUmVxdWVzdBIdCgptb2RlbF9uYW1lGAEgASgJUgltb2RlbE5hbWUSIwoNbW9kZWxfdmVyc2lv"
        "bhgCIAEoCVIMbW9kZWxWZXJzaW9uEg4KAmlkGAMgASgJUgJpZBJMCgpwYXJhbWV0ZXJzGAQgAygLMiwuaW5mZXJlbmNlLk1vZGVs"
        "SW5mZXJSZXF1ZXN0LlBhcmFtZXRlcnNFbnRyeVIKcGFyYW1ldGVycxJFCgZpbnB1dHMYBSADKAsyLS5pbmZlcmVuY2UuTW9kZWxJ"
        "bmZlclJlcXVlc3QuSW5mZXJJbnB1dFRlbnNvclIGaW5wdXRzElEKB291dHB1dHMYBiADKAsyNy5pbmZlcmVuY2UuTW9kZWxJbmZl"
        "clJlcXVlc3QuSW5mZXJSZXF1ZXN0ZWRPdXRwdXRUZW5zb3JSB291dHB1dHMSLAoScmF3X2lucHV0X2NvbnRlbnRzGAcgAygMUhBy"
        "YXdJbnB1dENvbnRlbnRzGs0CChBJbmZlcklucHV0VGVuc29yEhIKBG5hbWUYASABKAlSBG5hbWUSGgoIZGF0YXR5cGUYAiABKAlS"
        "CGRhdGF0eXBlEhQKBXNoYXBlGAMgAygDUgVzaGFwZRJdCgpwYXJhbWV0ZXJzGAQgAygLMj0uaW5mZXJlbmNlLk1vZGVsSW5mZXJS"
        "ZXF1ZXN0LkluZmVySW5wdXRUZW5zb3IuUGFyYW1ldGVyc0VudHJ5UgpwYXJhbWV0ZXJzEjoKCGNvbnRlbnRzGAUgASgLMh4uaW5m"
        "ZXJlbmNlLkluZmVyVGVuc29yQ29udGVudHNSCGNvbnRlbnRzGlgKD1BhcmFtZXRlcnNFbnRyeRIQCgNrZXkYASABKAlSA2tleRIv"
        "CgV2YWx1ZRgCIAEoCzIZLmluZmVyZW5jZS5JbmZlclBhcmFtZXRlclIFdmFsdWU6AjgBGvMBChpJbmZlclJlcXVlc3RlZE91dHB1"
        "dFRlbnNvchISCgRuYW1lGAEgASgJUgRuYW1lEmcKCnBhcmFtZXRlcnMYAiADKAsyRy5pbmZlcmVuY2UuTW9kZWxJbmZlclJlcXVl"
        "c3QuSW5mZXJSZXF1ZXN0ZWRPdXRwdXRUZW5zb3IuUGFyYW1ldGVyc0VudHJ5UgpwYXJhbWV0ZXJzGlgKD1BhcmFtZXRlcnNFbnRy"
        "eRIQCgNrZXkYASABKAlSA2tleRIvCgV2YWx1ZRgCIAEoCzIZLmluZmVyZW5jZS5JbmZlclBhcmFtZXRlclIFdmFsdWU6AjgBGlgK"
        "D1BhcmFtZXRlcnNFbnRyeRIQCgNrZXkYASABKAlSA2tleRIvCgV2YWx1ZRgCIAEoCzIZLmluZmVyZW5jZS5JbmZlclBhcmFtZXRl"
        "clIFdmFsdWU6AjgBIt8FChJNb2RlbEluZmVyUmVzcG9uc2USHQoKbW9kZWxfbmFtZRgBIAEoCVIJbW9kZWxOYW1lEiMKDW1vZGVs"
        "X3ZlcnNpb24YAiABKAlSDG1vZGVsVmVyc2lvbhIOCgJpZBgDIAEoCVICaWQSTQoKcGFyYW1ldGVycxgEIAMoCzItLmluZmVyZW5j"
        "ZS5Nb2RlbEluZmVyUmVzcG9uc2UuUGFyYW1ldGVyc0VudHJ5UgpwYXJhbWV0ZXJzEkkKB291dHB1dHMYBSADKAsyLy5pbmZlcmVu"
        "Y2UuTW9kZWxJbmZlclJlc3BvbnNlLkluZmVyT3V0cHV0VGVuc29yUgdvdXRwdXRzEi4KE3Jhd19vdXRwdXRfY29udGVudHMYBiAD"
        "KAxSEXJhd091dHB1dENvbnRlbnRzGtACChFJbmZlck91dHB1dFRlbnNvchISCgRuYW1lGAEgASgJUgRuYW1lEhoKCGRhdGF0eXBl"
        "GAIgASgJUghkYXRhdHlwZRIUCgVzaGFwZRgDIAMoA1IFc2hhcGUSXwoKcGFyYW1ldGVycxgEIAMoCzI/LmluZmVyZW5jZS5Nb2Rl"
        "bEluZmVyUmVzcG9uc2UuSW5mZXJPdXRwdXRUZW5zb3IuUGFyYW1ldGVyc0VudHJ5UgpwYXJhbWV0ZXJzEjoKCGNvbnRlbnRzGAUg"
        "ASgLMh4uaW5mZXJlbmNlLkluZmVyVGVuc29yQ29udGVudHNSCGNvbnRlbnRzGlgKD1BhcmFtZXRlcnNFbnRyeRIQCgNrZXkYASAB"
        "KAlSA2tleRIvCgV2YWx1ZRgCIAEoCzIZLmluZmVyZW5jZS5JbmZlclBhcmFtZXRlclIFdmFsdWU6AjgBGlgKD1BhcmFtZXRlcnNF"
        "bnRyeRIQCgNrZXkYASABKAlSA2tleRIvCgV2YWx1ZRgCIAEoCzIZLmluZmVyZW5jZS5JbmZlclBhcmFtZXRlclIFdmFsdWU6AjgB"
        "ItcBCg5JbmZlclBhcmFtZXRlchIfCgpib29sX3BhcmFtGAEgASgISABSCWJvb2xQYXJhbRIhCgtpbnQ2NF9wYXJhbRgCIAEoA0gA"
        "UgppbnQ2NFBhcmFtEiMKDHN0cmluZ19wYXJhbRgDIAEoCUgAUgtzdHJpbmdQYXJhbRIjCgxkb3VibGVfcGFyYW0YBCABKAFIAFIL"
        "ZG91YmxlUGFyYW0SIwoMdWludDY0X3BhcmFtGAUgASgESABSC3VpbnQ2NFBhcmFtQhIKEHBhcmFtZXRlcl9jaG9pY2UiwwIKE0lu"
        "ZmVyVGVuc29yQ29udGVudHMSIwoNYm9vbF9jb250ZW50cxgBIAMoCFIMYm9vbENvbnRlbnRzEiEKDGludF9jb250ZW50cxgCIAMo"
        "BVILaW50Q29udGVudHMSJQoOaW50NjRfY29udGVudHMYAyADKANSDWludDY0Q29udGVudHMSIwoNdWludF9jb250ZW50cxgEIAMo"
        "DVIMdWludENvbnRlbnRzEicKD3VpbnQ2NF9jb250ZW50cxgFIAMoBFIOdWludDY0Q29udGVudHMSIwoNZnAzMl9jb250ZW50cxgG"
        "IAMoAlIMZnAzMkNvbnRlbnRzEiMKDWZwNjRfY29udGVudHMYByADKAFSDGZwNjRDb250ZW50cxIlCg5ieXRlc19jb250ZW50cxgI"
        "IAMoDFINYnl0ZXNDb250ZW50czLwAwoUR1JQQ0luZmVyZW5jZVNlcnZpY2USSQoKU2VydmVyTGl2ZRIcLmluZmVyZW5jZS5TZXJ2"
        "ZXJMaXZlUmVxdWVzdBodLmluZmVyZW5jZS5TZXJ2ZXJMaXZlUmVzcG9uc2USTAoLU2VydmVyUmVhZHkSHS5pbmZlcmVuY2UuU2Vy"
        "dmVyUmVhZHlSZXF1ZXN0Gh4uaW5mZXJlbmNlLlNlcnZlclJlYWR5UmVzcG9uc2USSQoKTW9kZWxSZWFkeRIcLmluZmVyZW5jZS5N"
        "b2RlbFJlYWR5UmVxdWVzdBodLmluZmVyZW5jZS5Nb2RlbFJlYWR5UmVzcG9uc2USVQoOU2VydmVyTWV0YWRhdGESIC5pbmZlcmVu"
        "Y2UuU2VydmVyTWV0YWRhdGFSZXF1ZXN0GiEuaW5mZXJlbmNlLlNlcnZlck1ldGFkYXRhUmVzcG9uc2USUgoNTW9kZWxNZXRhZGF0"
        "YRIfLmluZmVyZW5jZS5Nb2RlbE1ldGFkYXRhUmVxdWVzdBogLmluZmVyZW5jZS5Nb2RlbE1ldGFkYXRhUmVzcG9uc2USSQoKTW9k"
        "ZWxJbmZlchIcLmluZmVyZW5jZS5Nb2RlbEluZmVyUmVxdWVzdBodLmluZmVyZW5jZS5Nb2RlbEluZmVyUmVzcG9uc2ViBnByb3Rv"
        "Mw=="
    )
)

builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
