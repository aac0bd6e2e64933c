package ConsentGate::Http2;

# Frames (RFC 9113), and fields without Huffman and index (RFC 7541, 6.2.2), as
# bytes: what they say may be wrong.

use v5.36;

use Exporter qw(import);

our @EXPORT_OK = qw(PREFACE fields_block frame header_frames status_of
    take_frame);

use constant PREFACE => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

my %TYPE = (data => 0, headers => 1, reset => 3, settings => 4, ping => 6,
    goaway => 7, window => 8, continuation => 9);
my %NAME = reverse %TYPE;

# Of the static table, what nginx uses for ":status".
my %STATUS = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304, 0x8c => 400,
    0x8d => 404, 0x8e => 500);


# A frame; a type may be a number.
sub frame ($type, $flags, $stream, $payload = '') {
    return substr(pack('N', length $payload), 1)
        . pack('C C N', $TYPE{$type} // $type, $flags, $stream) . $payload;
}


# The next frame of what has come, which it is taken off: (type, flags, stream,
# payload), or nothing as long as it is not whole.
sub take_frame ($in) {
    return if length $$in < 9;

    my $len = unpack 'N', "\0" . substr $$in, 0, 3;
    return if length $$in < 9 + $len;

    my ($type, $flags, $stream) = unpack 'x3 C C N', $$in;
    my $payload = substr $$in, 9, $len;
    substr $$in, 0, 9 + $len, '';

    return ($NAME{$type} // $type, $flags, $stream, $payload);
}


sub integer ($n, $bits) {
    my $max = 2**$bits - 1;
    return chr $n if $n < $max;

    my $bytes = chr $max;
    for ($n -= $max; $n >= 128; $n >>= 7) { $bytes .= chr($n & 127 | 128) }
    return $bytes . chr $n;
}


# Names and values as a block.
sub fields_block (@fields) {
    my $block = '';

    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= "\0" . integer(length $name, 7) . $name
            . integer(length $value, 7) . $value;
    }

    return $block;
}


# A block in frames of at most this many bytes.
sub header_frames ($stream, $end, $block, $size = 16_000) {
    my @parts = unpack "(a$size)*", $block;
    @parts = ('') if !@parts;

    return join '', map {
        frame($_ ? 'continuation' : 'headers',
            ($end && !$_ ? 1 : 0) | ($_ == $#parts ? 4 : 0), $stream,
            $parts[$_])
    } 0 .. $#parts;
}


# The status of an answer of nginx, which is its first field.
sub status_of ($block) {
    $block =~ s/^\x20//;
    return $STATUS{ ord $block }
        // ($block =~ /^.\x03(\d{3})/s ? $1 : 'unread ' . unpack 'H8', $block);
}

1;

__END__

=head1 NAME

ConsentGate::Http2 - frames of HTTP/2

=head1 SYNOPSIS

    syswrite $socket, PREFACE . frame('settings', 0, 0)
        . header_frames(1, 1, fields_block(':method' => 'GET', ...));

    while (my ($type, $flags, $stream, $payload) = take_frame(\$in)) {
        say status_of($payload) if $type eq 'headers';
    }

=cut
