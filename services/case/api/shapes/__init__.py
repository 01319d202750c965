"""What the routes answer, as the API's document declares it.

These models describe; nothing is built or checked by them at run time. They have every member that an answer can have and allow no
other, so that a test finds what nobody declared. A member that is not in every answer has a default.
"""
