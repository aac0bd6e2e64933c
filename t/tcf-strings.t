use v5.36;

# What we read out of TC strings is what the reference library of the
# framework has put in. The strings are made now, by that library.

use lib 't/lib';
use FindBin ();
use JSON::PP ();
use Test::More;
use ConsentGate::Tcf;

my $dir   = tcf_prepare;
my $seed  = $ENV{CG_SEED} // time;
my $count = $ENV{CG_SOAK} ? 5_000 : 100;
my $json  = JSON::PP->new->canonical;

$ENV{UBSAN_OPTIONS} = 'halt_on_error=1';

sub run ($command, @lines) {
    my $input = "$dir/input.$$";
    open my $fh, '>', $input or die "$input: $!\n";
    print $fh map { "$_\n" } @lines;
    close $fh;

    my @output = split /\n/, `$command < '$input'`;
    is $?, 0, $command =~ s{.*/}{}r . ' ends well';
    unlink $input;

    return @output;
}

sub decode (@lines) { return run("$dir/decode", @lines) }

my @vectors = map { $json->decode($_) }
    run("node '$FindBin::Bin/tcf/vectors.js' $seed $count");
diag "CG_SEED=$seed" if @vectors != $count;
is scalar @vectors, $count, 'as many strings as asked for';

sub line ($v, $text = $v->{text}) { return join ' ', $text, @{ $v->{asked} } }

subtest 'read as they were made' => sub {
    my @read = decode(map { line($_) } @vectors);
    my ($good, %shape) = (0);

    for my $i (0 .. $#vectors) {
        my $got    = $read[$i] =~ /^\{/ ? $json->decode($read[$i]) : $read[$i];
        my $expect = $vectors[$i]{expect};

        if (ref $got && $json->encode($got) eq $json->encode($expect)) {
            $good++;
        } else {
            is_deeply $got, $expect, "CG_SEED=$seed: $vectors[$i]{text}";
            last;
        }

        $shape{"segments @{ $expect->{segments} }"}++;
        $shape{"policy $expect->{policy}"}++;
        $shape{barred}++ if grep { @{ $_->{barred} } } @{ $expect->{vendors} };
    }

    is $good, $count, "all $count";
    ok $shape{$_}, "among them $_" for 'segments ', 'segments 1',
        'segments 3', 'segments 1 3', 'policy 4', 'policy 5', 'barred';
};

# Where the zeros that fill up a segment begin is not known from outside:
# what is cut there is whole.
subtest 'cut off' => sub {
    my ($whole) = grep { length $_->{text} < 200
        && "@{ $_->{expect}{segments} }" eq '1 3' } @vectors;
    my $text = $whole->{text};
    my @read = decode(map { line($whole, substr $text, 0, $_) }
        0 .. length($text) - 1);
    my %result;

    is $read[0], 'empty', 'nothing is left';
    $result{ /^\{/ ? 'whole' : $_ }++ for @read[1 .. $#read];
    my @names = sort keys %result;
    is_deeply [grep { !/^(?:cut off|whole|without disclosed vendors)$/ }
        @names], [], "anywhere: @names";
    cmp_ok $result{whole} // 0, '<', 12, 'as a rule not taken for whole';
};

subtest 'with one character altered' => sub {
    my ($short) = sort { length $a->{text} <=> length $b->{text} } @vectors;
    my @bad;

    for my $i (0 .. length($short->{text}) - 1) {
        for my $c ('A', '_', '.', '+', '=', ' ', "\x80") {
            my $bad = $short->{text};
            substr $bad, $i, 1, $c;
            push @bad, line($short, $bad);
        }
    }

    my @read = decode(@bad);
    is scalar @read, scalar @bad, 'each gets an answer';
    ok !(grep { $_ eq '' } @read), 'that says something';
};

subtest 'of global scope' => sub {
    my ($text) = tcf_strings({ consents => [1], global => JSON::PP::true });
    is_deeply [decode($text)], ['of global scope'], 'is refused by its name';
};

done_testing;
